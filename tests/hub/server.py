"""A stand-in for the Hugging Face hub on the loopback address, for tests without a network.

Serves `<root>/models/<org>/<name>/…` and `<root>/datasets/<org>/<name>/…` as repositories with one
revision. Only what the course's calls need: file contents with ranges, repository info and trees.
`Hub.faults` makes the next matching answers fail; `Hub.requests` keeps what was asked.
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<id>[^/]+/[^/]+)"
    r"(?:/(?P<what>revision|tree|paths-info|refs)(?:/(?P<rev>[^/]+)(?:/(?P<path>.+))?)?)?"
)
FILE = re.compile(
    r"/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<path>.+)"
)
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Fault:
    """The next `times` requests of this method whose path contains `part` are answered badly."""

    part: str
    status: int | None  # None: the connection is cut; 200: one byte of the content is changed
    times: int = 1
    method: str = "GET"


@dataclass
class Hub:
    """A running server. `url` goes into HF_ENDPOINT."""

    root: Path
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __enter__(self):
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()

    def folder(self, kind: str, repo: str) -> Path:
        return self.root / kind / repo

    def sha(self, kind: str, repo: str) -> str:
        """The repository's one revision: 40 hex digits that change with any file."""
        digest = hashlib.sha1(repo.encode())
        for path in files(self.folder(kind, repo)):
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    def fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and fault.part in path:
                fault.times -= 1
                return fault
        return None


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Say nothing on stderr."""

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        self._answer()

    def _answer(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        self.flip = False
        fault = self.hub.fault_for(self.command, path)
        if fault and fault.status == 200:
            self.flip, fault = True, None
        if fault:
            if fault.status is None:
                self.close_connection = True
                self.connection.close()
                return
            self._send(fault.status, b"{}")
        elif found := FILE.fullmatch(path):
            self._file("datasets" if found["kind"] else "models", found)
        elif found := API.fullmatch(path):
            self._api(found)
        else:
            self._send(404, b"{}")

    def _commit(self, kind: str, found: re.Match) -> str | None:
        """The revision asked for, or None after an error has been answered."""
        if not self.hub.folder(kind, found["id"]).is_dir():
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None
        sha = self.hub.sha(kind, found["id"])
        if (found["rev"] or "main") not in ("main", sha):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Repo-Commit": sha})
            return None
        return sha

    def _file(self, kind: str, found: re.Match):
        sha = self._commit(kind, found)
        if sha is None:
            return
        path = self.hub.folder(kind, found["id"]) / found["path"]
        if not path.is_file():
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
            return
        content = path.read_bytes()
        headers = {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                   "Accept-Ranges": "bytes"}
        status = 200
        if self.flip:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if asked := RANGE.fullmatch(self.headers.get("Range", "")):
            start, total = int(asked[1]), len(content)
            stop = min(int(asked[2] or total - 1), total - 1) + 1
            content, status = content[start:stop], 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
        self._send(status, content, headers, "application/octet-stream")

    def _api(self, found: re.Match):
        kind = found["kind"]
        sha = self._commit(kind, found)
        if sha is None:
            return
        folder = self.hub.folder(kind, found["id"])
        if found["what"] == "tree":
            start = folder / (found["path"] or "")
            if not start.is_dir():
                self._send(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
                return
            deep = "recursive=true" in self.path.lower()
            below = sorted(start.rglob("*") if deep else start.iterdir())
            answer = [self._entry(folder, path) for path in below]
        elif found["what"] == "paths-info":
            paths = (folder / path for path in self._body["paths"])
            answer = [self._entry(folder, path) for path in paths if path.exists()]
        elif found["what"] == "refs":
            answer = {"branches": [{"name": "main", "ref": "refs/heads/main",
                                    "targetCommit": sha}], "tags": [], "converts": []}
        else:
            answer = {"id": found["id"], "sha": sha, "private": False, "tags": [],
                      "siblings": [{"rfilename": path.relative_to(folder).as_posix()}
                                   for path in files(folder)]}
        self._send(200, json.dumps(answer).encode(), {"X-Repo-Commit": sha})

    @staticmethod
    def _entry(folder: Path, path: Path) -> dict:
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            return {"type": "directory", "path": name, "size": 0,
                    "oid": hashlib.sha1(name.encode()).hexdigest()}
        content = path.read_bytes()
        return {"type": "file", "path": name, "size": len(content),
                "oid": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}

    def _send(self, status: int, content: bytes, headers: dict | None = None,
              kind: str = "application/json"):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
