"""A Hub in few lines: enough of its interface to load models and data on loopback.

It serves folders as repositories, answers wrong names, revisions and closed models as
the real one does, and writes down what it was asked for.
"""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class SmallHub:
    """The repositories, and a log of requests such as "GET /api/models/…"."""

    repos: dict[str, Path] = field(default_factory=dict)
    datasets: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    sent: int = 0  # bytes of files
    url: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a path."""
        is_data = path.startswith(("/datasets/", "/api/datasets/"))
        repos = self.datasets if is_data else self.repos
        known = sorted({*repos, *self.gated}, key=len, reverse=True)
        is_api = path.startswith("/api/")
        kind = "datasets" if is_data else "models"
        rest = path.removeprefix(f"/api/{kind}/").removeprefix(
            "/datasets/" if is_data else "/"
        )
        repo = next((r for r in known if f"{rest}/".startswith(r + "/")), None)
        if repo is None:
            return _refuse(404, "RepoNotFound", "Repository not found")
        if is_api and rest == repo:
            rest += "/revision/main"
        action, _, tail = rest[len(repo) + 1 :].partition("/")
        revision, _, name = tail.partition("/")
        if repo in self.gated and not is_api:
            return _refuse(403, "GatedRepo", f"Access to model {repo} is restricted")
        if revision not in ("main", COMMIT):
            return _refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if repo in self.gated and action == "tree":
            entry = {"type": "file", "path": "config.json", "size": 2, "oid": "0" * 40}
            return _json([entry])
        folder = repos.get(repo)
        if is_api and action == "revision":
            return _json({"id": repo, "sha": COMMIT, "siblings": _siblings(folder)})
        if is_api and action == "tree":
            return _json(_tree(folder))
        file = folder / name
        if action != "resolve" or not file.is_file():
            return _refuse(404, "EntryNotFound", f"Entry not found: {name}")
        body = file.read_bytes()
        etag = hashlib.sha256(body).hexdigest()
        return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body


def _siblings(folder: Path | None) -> list[dict]:
    if folder is None:
        return [{"rfilename": "config.json"}]
    return [{"rfilename": p.name} for p in sorted(folder.iterdir()) if p.is_file()]


def _tree(folder: Path) -> list[dict]:
    return [
        {
            "type": "file",
            "path": p.name,
            "size": p.stat().st_size,
            "oid": hashlib.sha1(p.read_bytes()).hexdigest(),
        }
        for p in sorted(folder.iterdir())
        if p.is_file()
    ]


def _json(data) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(data).encode()


def _refuse(status: int, code: str, message: str) -> tuple[int, dict, bytes]:
    headers = {"X-Error-Code": code, "X-Error-Message": message}
    return status, headers, json.dumps({"error": message}).encode()


@contextmanager
def small_hub():
    """Serve a `SmallHub` on a free port of this machine."""
    hub = SmallHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._reply(body=True)

        def do_HEAD(self):
            self._reply(body=False)

        def _reply(self, body: bool):
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            status, headers, content = hub.answer(path)
            wanted = self.headers.get("Range")
            if wanted and status == 200:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                first, last = int(first), int(last or len(content) - 1)
                last = min(last, len(content) - 1)
                headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
                status, content = 206, content[first : last + 1]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self._send(content)

        def _send(self, content: bytes):
            # bit by bit: one who streams goes away before the end
            try:
                for begin in range(0, len(content), 1 << 16):
                    hub.sent += self.wfile.write(content[begin : begin + (1 << 16)])
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
