"""The two file formats the parity tests read and write, with numpy alone.

Readers of their own, so that a mistake in the project's readers cannot hide itself. safetensors: https://huggingface.co/docs/safetensors (8 bytes little-endian
header length, JSON header, data); PNG: https://www.w3.org/TR/png-3/.
"""
import json, struct, zlib
import numpy as np

# safetensors name -> numpy type; BF16 is read by hand, numpy has no such type
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"}


def read_safetensors(path):
    """{name: array} in the file's types, BF16 widened to float32."""
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    header, body, out = json.loads(data[8:8 + size]), data[8 + size:], {}
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        if tensor["dtype"] == "BF16":
            array = (np.frombuffer(body[begin:end], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(body[begin:end], DTYPES[tensor["dtype"]])
        out[name] = array.reshape(tensor["shape"])
    return out


def bfloat16(array):
    """float32 rounded to the nearest bfloat16, ties to even, as uint16."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_safetensors(path, tensors, dtype=None, metadata=None):
    """Floating-point tensors are stored as `dtype` (F32, F16, BF16), others as they are."""
    names = {np.dtype(v): k for k, v in DTYPES.items()}
    header, body, at = {"__metadata__": metadata} if metadata else {}, [], 0
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        shape = list(array.shape)
        if dtype == "BF16" and array.dtype.kind == "f":
            kind, raw = "BF16", bfloat16(array).tobytes()
        else:
            if dtype and array.dtype.kind == "f":
                array = array.astype(DTYPES[dtype])
            kind, raw = names[array.dtype], np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(raw)]}
        body.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(body))


def read_png(path):
    """8-bit gray, RGB and RGBA, not interlaced -> uint8 [h,w,c]. Every checksum is verified."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("not a PNG")
    at, packed, head = 8, b"", None
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + n]
        if struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0] != zlib.crc32(kind + chunk):
            raise ValueError("bad checksum in PNG chunk " + kind.decode("latin1"))
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            packed += chunk
        at += 12 + n
    if head is None:
        raise ValueError("PNG without IHDR")
    w, h, depth, color, _, _, interlace = head
    channels = {0: 1, 2: 3, 4: 2, 6: 4}.get(color)
    if depth != 8 or channels is None or interlace:
        raise ValueError(f"PNG depth {depth}, colour type {color}, interlace {interlace} not expected")
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(h, 1 + w * channels)
    out = np.zeros((h, w * channels), np.int64)
    for y in range(h):
        kind, line = raw[y, 0], raw[y, 1:].astype(np.int64)
        up = out[y - 1] if y else np.zeros(w * channels, np.int64)
        if kind == 0:
            out[y] = line
        elif kind == 2:
            out[y] = (line + up) & 255
        else:                                                  # filters that look at the pixel to the left go pixel by pixel
            row, above, values = [0] * (w * channels), up.tolist(), line.tolist()
            for x in range(w * channels):
                a = row[x - channels] if x >= channels else 0
                b, c = above[x], above[x - channels] if x >= channels else 0
                if kind == 1:
                    p = a
                elif kind == 3:
                    p = (a + b) // 2
                else:
                    e = a + b - c
                    da, db, dc = abs(e - a), abs(e - b), abs(e - c)
                    p = a if da <= db and da <= dc else b if db <= dc else c
                row[x] = (values[x] + p) & 255
            out[y] = row
    return out.reshape(h, w, channels).astype(np.uint8)


def relative_l2(got, want):
    """Norm of the difference over the norm of the reference; NaN if anything is NaN."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    norm = np.linalg.norm(want)
    return float(np.linalg.norm(got - want) / norm) if norm else float(np.linalg.norm(got))
