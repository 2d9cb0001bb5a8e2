#!/usr/bin/env bash
# Voila: a page is opened by its link, with `?token=` or on a server without a token, and closed.
#
# Guess: its kernel ends with it. The page's script sends a POST for that when it is closed, to an
# address that Voila has for nothing else.
# Seen: the POST carries the value of the cookie _xsrf, and only the login form sets that cookie. A
# page opened by a link has none, the answer is 403 and the kernel stays; each page that is closed
# or loaded anew leaves one until the server ends (or culls idle kernels, which it does not by
# default). Opened through the login form the same page ends its kernel.
set -euo pipefail
pins=(
    voila==0.5.13 jupyter_server==2.21.1 tornado==6.6.1 ipykernel==7.4.0
)
folder=$(mktemp -d)
servers=
finish() {
    for server in $servers; do
        kill "$server" 2>/dev/null || true
        wait "$server" || true
    done
    rm -rf "$folder"
}
trap finish EXIT
if [[ -n ${FINDINGS_PYTHON:-} ]]; then
    python=$(command -v "$FINDINGS_PYTHON")
    python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
else
    python3 -m venv "$folder/venv"
    python=$folder/venv/bin/python
    "$python" -m pip install -q "${pins[@]}"
fi
cd "$folder"
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 OMP_NUM_THREADS=1
export IPYTHONDIR=$folder JUPYTER_CONFIG_DIR=$folder JUPYTER_DATA_DIR=$folder
export JUPYTER_RUNTIME_DIR=$folder
cat >page.ipynb <<'EOF'
{"cells": [{"cell_type": "code", "execution_count": null, "id": "one", "metadata": {},
            "outputs": [], "source": "print('hello')"}],
 "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
 "nbformat": 4, "nbformat_minor": 5}
EOF
cat >finding.py <<'EOF'
import sys
import warnings
from importlib.metadata import version

ports, pins = sys.argv[1:3], sys.argv[3:]
for pin in pins:
    name, wanted = pin.split("==")
    found = version(name).split("+")[0]
    print(name, found)
    if found != wanted:
        print(f"{name} {wanted} is needed, not {found}")
        sys.exit(2)
warnings.simplefilter("ignore")
seen_as_before = []


def look(words, seen, holds):
    """Print what was seen; remember whether it is still what this script says."""
    print(f"{words}: {seen}{'' if holds else '   <- CHANGED'}")
    seen_as_before.append(bool(holds))


import re
import time
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import voila

scripts = Path(voila.__file__).parent.glob("labextensions/widgets-manager8/static/*.js")
written = "".join(script.read_text(encoding="utf-8") for script in scripts)
beacons = re.findall(r"sendBeacon\(`\$\{\w+\}([\w/]+/)\$\{", written)
look("where the page's script posts when the page is closed", beacons,
     beacons == ["voila/api/shutdown/"])


class Browser:
    """Cookies, and what a page does with them."""

    def __init__(self, port):
        self.base = f"http://localhost:{port}/"
        self.cookies = CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))

    def ask(self, address, data=None, **headers):
        """Status and text of an answer; a server that is just starting is waited for."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        for _ in range(240):
            try:
                answer = self.opener.open(Request(self.base + address, data, names), timeout=120)
                return answer.status, answer.read().decode()
            except HTTPError as error:
                return error.code, error.read().decode()
            except URLError:
                time.sleep(0.5)
        raise SystemExit("the server did not start")

    def named(self):
        return {cookie.name: cookie.value for cookie in self.cookies}

    def close(self, kernel):
        """What the page's script does: a form of one field, the cookie's value or nothing."""
        field = self.named().get("_xsrf", "")
        form = ("--sign\r\nContent-Disposition: form-data; name=\"_xsrf\"\r\n\r\n"
                f"{field}\r\n--sign--\r\n")
        return self.ask(f"voila/api/shutdown/{kernel}", form.encode(), Origin=self.base[:-1],
                        Content_Type="multipart/form-data; boundary=sign")


def visit(words, browser, page):
    """Whether the page has the cookie, the POST's answer, and the kernel before and after."""
    kernel = re.search(r'"kernelId": "([^"]+)"', page)[1]
    before = browser.ask(f"api/kernels/{kernel}")[0]
    status, text = browser.close(kernel)
    time.sleep(2)
    after = browser.ask(f"api/kernels/{kernel}")[0]
    said = re.sub(r'.*"message": "([^"]*)".*', r"\1", text) or "nothing"
    link = "login form" not in words
    look(f"{words}: the cookie _xsrf is set", "_xsrf" in browser.named(),
         ("_xsrf" in browser.named()) != link)
    look("  the page is closed", (status, said),
         (status, said) == ((403, "'_xsrf' argument missing from POST") if link
                            else (204, "nothing")))
    alive = {200: "runs", 404: "is gone"}
    seen = alive.get(before, before), alive.get(after, after)
    look("  its kernel before and after", seen,
         seen == ("runs", "runs" if link else "is gone"))
    return kernel


with_token, without = ports
browser = Browser(with_token)
left = [visit(f"link with the token, visit {number}", browser, browser.ask("?token=word")[1])
        for number in (1, 2)]
still = [browser.ask(f"api/kernels/{kernel}")[0] for kernel in left]
look("kernels left by two closed pages", still.count(200), still == [200, 200])
browser = Browser(without)
visit("link on a server without a token", browser, browser.ask("")[1])
browser = Browser(with_token)
form = dict(re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', browser.ask("login")[1]))
page = browser.ask("login?next=%2F", urlencode({**form, "password": "word"}).encode())[1]
visit("token typed into the login form", browser, page)

sys.exit(0 if all(seen_as_before) else 1)
EOF
ports=$("$python" -c '
import socket
doors = [socket.create_server(("localhost", 0)) for _ in range(2)]
print(*(door.getsockname()[1] for door in doors))')
read -r one two <<<"$ports"
"$python" -m voila page.ipynb --no-browser --port="$one" --token=word >one.log 2>&1 &
servers="$servers $!"
"$python" -m voila page.ipynb --no-browser --port="$two" >two.log 2>&1 &
servers="$servers $!"
"$python" finding.py "$one" "$two" "${pins[@]}"
