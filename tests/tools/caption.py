#!/usr/bin/env python3
"""hb-rt caption against a server on this machine that speaks the protocol (chat_server.py): what it asks and writes, errors and retries, Ctrl-C and
kills with resuming, several requests at once."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

from chat_server import ChatServer, description
from harness import ROOT, Test, read

PICTURES = os.path.join(ROOT, "models", "shapes", "data", "train")


def lines(path):
    return [json.loads(line) for line in read(path).splitlines()]


def manifest(test, count=6):
    """Records with their own pictures in a folder of the test."""
    kinds = [{"kind": "vqav2", "question": "how many?", "answer": "two"}, {"kind": "bongard-hoi", "subject": "person", "action": "ride", "object": "bicycle", "answer": "yes"}, {"kind": "imagenet", "object": "tench", "answer": "tench"}, {}]
    text = ""
    for i in range(count):
        os.makedirs(test.path("in", "pictures"), exist_ok=True)
        shutil.copy(os.path.join(PICTURES, f"{i:03d}.png"), test.path("in", "pictures"))
        text += json.dumps({"id": i, "image": f"pictures/{i:03d}.png", "prompt": f"prompt {i}", **kinds[i % len(kinds)], "own": [i]}) + "\n" + ("\n" if i == 1 else "")
    return test.write("in/m.jsonl", text)


def command(test, server, out, *more, source=None):
    return ["caption", "--endpoint", server.url, "--manifest", source or test.path("in", "m.jsonl"), "-o", test.path(out), "--model", "eyes", "--retry-delay", "0.05", *more]


with Test(__doc__) as test:
    server = ChatServer()
    source = manifest(test)
    given = [json.loads(line) for line in read(source).splitlines() if line.strip()]

    # What is asked and what is written. The reply's blanks and its "Yes, " go; everything else of a line stays.
    os.makedirs(test.path("out"))
    test.expect("plain", test.run("hb-rt", *command(test, server, "out/m.jsonl")), 0, r"record 6/6, [0-9.e+]+ records/s, \d+ s left", "out/m.jsonl")
    asked = [request for _, request in server.requests]
    test.check("a request per record", len(asked) == 6 and not server.wrong, server.wrong or len(asked))
    test.check("the model's name", all(request["model"] == "eyes" and request["max_tokens"] == 75 for request in asked))
    texts = [request["messages"][0]["content"][0]["text"] for request in asked]
    for i, words in enumerate((["how many?", '"two"'], ["person ride bicycle", '"yes"'], ["tench"], ["prompt 3"])):
        test.check(f"instruction {i}", all(word in texts[i] for word in words) and "{" not in texts[i], texts[i])
    want = [description(read(test.path("in", record["image"])), text) for record, text in zip(given, texts)]
    plain = lines(test.path("out", "m.jsonl"))
    test.check("descriptions", [line["context_description"] for line in plain] == want, plain)
    test.check("the rest of a line", all({k: v for k, v in line.items() if k not in ("context_description", "image")} == {k: v for k, v in record.items() if k != "image"} for line, record in zip(plain, given)), plain)
    test.check("paths are relative to the new manifest", [line["image"] for line in plain] == ["../in/" + record["image"] for record in given], plain[0])
    test.check("nothing unfinished is left", os.listdir(test.path("out")) == ["m.jsonl"], os.listdir(test.path("out")))

    # Records with a description keep it.
    server.requests.clear()
    test.expect("all described", test.run("hb-rt", *command(test, server, "out/again.jsonl", source=test.path("out", "m.jsonl"))), 0)
    test.check("nothing is asked", not server.requests and read(test.path("out", "again.jsonl")) == read(test.path("out", "m.jsonl")))
    test.expect("anew", test.run("hb-rt", *command(test, server, "in/anew.jsonl", "--overwrite", "--prompt", "say {prompt}{answer}")), 0)
    test.check("own prompt", sorted(request["messages"][0]["content"][0]["text"] for _, request in server.requests)[:2] == ["say prompt 0two", "say prompt 1yes"], server.requests[0][1]["messages"][0]["content"][0])
    test.check("one folder: paths stay", lines(test.path("in", "anew.jsonl"))[0]["image"] == given[0]["image"])

    # Errors that pass.
    server.requests.clear()
    server.faults[:] = [500, 503, "drop", 429]
    test.expect("errors that pass", test.run("hb-rt", *command(test, server, "out/retried.jsonl")), 0)
    test.check("retried", read(test.path("out", "retried.jsonl")) == read(test.path("out", "m.jsonl")) and len(server.requests) == 10, len(server.requests))
    times = [at for at, _ in server.requests]
    test.check("the pauses grow", times[2] - times[1] > 0.04 and times[1] - times[0] > 0.02, times)
    test.check("the server's own pause", times[4] - times[3] >= 1, times)
    server.faults[:] = ["slow"]
    test.expect("a timeout", test.run("hb-rt", *command(test, server, "out/slow.jsonl", "--timeout", "1")), 0)
    test.check("after a timeout", read(test.path("out", "slow.jsonl")) == read(test.path("out", "m.jsonl")))

    # Errors that do not.
    server.requests.clear()
    server.faults[:] = [503] * 3
    test.expect("a server that stays busy", test.run("hb-rt", *command(test, server, "out/busy.jsonl", "--retries", "2")), 1, "HB0671", "status 503", "3 times", "run the same command again")
    test.check("as often as told", len(server.requests) == 3)
    test.check("no half manifest", not os.path.exists(test.path("out", "busy.jsonl")))
    server.faults[:] = [400]
    test.expect("a request that is refused", test.run("hb-rt", *command(test, server, "out/refused.jsonl")), 1, "HB0672", "status 400: .*as told")
    for reply, word in ((b"<html>", "JSON"), ({"choices": []}, "choices"), ({"choices": [{"message": {"content": " \n"}}]}, "content"), ({"choices": [{"message": {"content": None}}]}, "content")):
        server.faults[:] = [reply]
        test.expect(f"the reply {reply}", test.run("hb-rt", *command(test, server, "out/odd.jsonl")), 1, "HB0672", word)
    locked = ChatServer(key="sesame")
    test.expect("no key", test.run("hb-rt", *command(test, locked, "out/locked.jsonl")), 1, "HB0672", "status 401")
    test.expect("the key", test.run("hb-rt", *command(test, locked, "out/locked.jsonl"), env={**os.environ, "OPENAI_API_KEY": "sesame"}), 0)
    locked.stop()
    test.expect("nobody there", test.run("hb-rt", *command(test, locked, "out/nobody.jsonl", "--retries", "1")), 1, "HB0671", "2 times")
    test.expect("an unknown placeholder", test.run("hb-rt", *command(test, server, "out/x.jsonl", "--prompt", "what {colour}")), 2, "HB0674", "{colour}")
    test.write("in/text.jsonl", '{"image": "text.jsonl", "prompt": "p"}\n')
    test.expect("not a picture", test.run("hb-rt", *command(test, server, "out/x.jsonl", source=test.path("in", "text.jsonl"))), 3, "HB0610", "text.jsonl")
    test.write("in/gone.jsonl", '{"image": "gone.png", "prompt": "p"}\n')
    test.expect("no picture", test.run("hb-rt", *command(test, server, "out/x.jsonl", source=test.path("in", "gone.jsonl"))), 3, "HB0655", "gone.png")

    # Ctrl-C, kills, and going on: what was described is never asked again.
    source = manifest(test, 24)
    server.requests.clear()
    test.expect("24 in one go, four at once", test.run("hb-rt", *command(test, server, "out/whole.jsonl", "--parallel", "4")), 0, "record 24/24")
    test.check("one request each", len(server.requests) == 24)
    server.delay = 0.05
    server.requests.clear()
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)):
        child = subprocess.Popen([os.path.join(test.bin, "hb-rt"), *command(test, server, "out/broken.jsonl")], stderr=subprocess.PIPE, text=True)
        for line in child.stderr:
            if line.startswith("record 3/"):
                child.send_signal(number)
                break
        said = child.communicate(timeout=60)[1]
        test.check(f"{number.name}: {code}, got {child.returncode}", child.returncode == code, said)
        test.check(f"{number.name}: says how to go on", number == signal.SIGKILL or re.search(r"interrupted: \d+ descriptions are kept in .*broken.jsonl.partial", said), said)
        test.check(f"{number.name}: no manifest yet", not os.path.exists(test.path("out", "broken.jsonl")))
    with open(test.path("out", "broken.jsonl.partial"), "ab") as f:
        f.write(b'{"line": 24, "context_desc')  # as a kill or a full disk may leave it
    test.expect("another prompt", test.run("hb-rt", *command(test, server, "out/broken.jsonl", "--prompt", "what?")), 3, "HB0673", "broken.jsonl.partial")
    test.expect("to the end", test.run("hb-rt", *command(test, server, "out/broken.jsonl")), 0, r"note: \d+ descriptions of an earlier run are kept")
    test.check("the same manifest", read(test.path("out", "broken.jsonl")) == read(test.path("out", "whole.jsonl")))
    test.check("at most the request that was cut off is asked twice", 24 <= len(server.requests) <= 27, len(server.requests))
    server.delay = 0
    server.faults[:] = ["slow"] * 4
    child = subprocess.Popen([os.path.join(test.bin, "hb-rt"), *command(test, server, "out/waiting.jsonl")], stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    started = time.monotonic()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    test.check("Ctrl-C while a server thinks", child.returncode == 130 and time.monotonic() - started < 2.5, (child.returncode, time.monotonic() - started))

    # Where libcurl is not (an empty file of its name comes first), nothing else of hb-rt needs it.
    for name in ("libcurl.so.4", "libcurl-gnutls.so.4"):
        test.write("empty/" + name, "")
    test.expect("no libcurl", test.run("hb-rt", *command(test, server, "out/none.jsonl"), env={**os.environ, "LD_LIBRARY_PATH": test.path("empty")}), 1, "HB0670", "libcurl4")
    needs = subprocess.run(["ldd", os.path.join(test.bin, "hb-rt")], capture_output=True, text=True).stdout
    test.check("hb-rt itself needs no libcurl", "libc.so" in needs and "curl" not in needs, needs)
