"""A stand-in for an OpenAI-compatible chat server: checks what it is asked, answers from a rule, and fails as it is told to.

Replies are a function of the picture's bytes and the instruction, so that tests know them beforehand. `faults` is a list of what to do with the next
requests before answering well again: a status, "drop" (close the connection), "slow" (longer than any timeout), or a body to send with status 200.
"""
import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def description(picture, text):
    return f"a picture {hashlib.sha256(picture).hexdigest()[:12]} about {hashlib.sha256(text.encode()).hexdigest()[:8]}"


class ChatServer:
    def __init__(self, key=None):
        self.key, self.faults, self.requests, self.wrong, self.delay, self.after = key, [], [], [], 0, None
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body, headers=()):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    outer.requests.append((time.monotonic(), json.loads(body)))
                    fault = outer.faults.pop(0) if outer.faults else None
                if self.path != "/v1/chat/completions":
                    return self.answer(404, {"error": {"message": f"no such path {self.path}"}})
                if outer.key and self.headers.get("Authorization") != "Bearer " + outer.key:
                    return self.answer(401, {"error": {"message": "wrong key"}})
                if fault == "drop":
                    self.close_connection = True
                    return self.connection.close()
                if fault == "slow":
                    time.sleep(3)
                elif isinstance(fault, int):
                    return self.answer(fault, {"error": {"message": "as told"}}, [("Retry-After", "1")] if fault == 429 else [])
                elif fault is not None:
                    return self.answer(200, fault)
                time.sleep(outer.delay)
                try:
                    self.answer(200, {"id": "x", "object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": outer.reply(json.loads(body))}}]})
                except BrokenPipeError:
                    pass
                if outer.after:
                    outer.after()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reply(self, request):
        """The protocol's rules: one user message with a text and a picture as a base64 data URL."""
        try:
            message, = request["messages"]
            text, picture = message["content"]
            head, data = picture["image_url"]["url"].split(",", 1)
            pixels = base64.b64decode(data, validate=True)
            kinds = {b"\x89PNG": "data:image/png;base64", b"\xff\xd8\xff\xe0": "data:image/jpeg;base64"}
            sound = message["role"] == "user" and text["type"] == "text" and picture["type"] == "image_url" and head == kinds.get(pixels[:4]) and isinstance(request["model"], str) and request["max_tokens"] > 0
        except (KeyError, TypeError, ValueError) as error:
            sound, pixels, text = False, b"", {"text": repr(error)}
        if not sound:
            self.wrong.append(text)
        return "\n Yes, " + description(pixels, text["text"]) + " \n"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
