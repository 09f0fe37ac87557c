#!/usr/bin/env python3
"""200 real pages from loopback into a real SeaweedFS, beside a plain script, in one go.

    python tests/bench/end_to_end.py [-n 200] [--rounds 3]

Needs the shared test material (TEARSHEET_TEST_SHARED): its page server, plain script and runner do the measuring.
The plain script needs requests and trafilatura in the interpreter that --peer-python names.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tasks.store.local import LocalS3  # noqa: E402  (the local S3 server of the demo)

SHARED = Path(os.environ.get("TEARSHEET_TEST_SHARED", ROOT.parent / "shared"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable)
    args = parser.parse_args()
    bench, port = SHARED / "bench" / "e2e", free_port()
    if not bench.is_dir():
        print(f"no shared test material at {SHARED}", file=sys.stderr)
        return 2
    site = subprocess.Popen(
        [sys.executable, str(bench / "site_server.py"), str(port), str(SHARED / "corpus")], stdout=subprocess.DEVNULL
    )
    try:
        with tempfile.TemporaryDirectory() as data, LocalS3(Path(data), bucket="e2e") as s3:
            wait_for(f"http://127.0.0.1:{port}/index.txt")
            env = {**os.environ, **s3.environ, "S3_ENDPOINT": s3.endpoint, "TEARSHEET_ALLOW": f"127.0.0.1:{port}"}
            env.pop("PYTHONDONTWRITEBYTECODE", None)
            tearsheet = Path(sys.executable).parent / "tearsheet"
            plain = f"{args.peer_python} {bench}/baseline.py --store s3://e2e/b/{{name}}/{{run}}"
            commands = [
                f"plain={plain}",
                f"plain2={plain} --processes 2",
                f"ours={tearsheet} archive - --json --mode page --store s3://e2e/o/{{name}}/{{run}}",
            ]
            runner = [sys.executable, str(bench / "bench_e2e.py"), "-n", str(args.n), "--rounds", str(args.rounds)]
            runner += ["--allow-failed", "--urls", f"http://127.0.0.1:{port}/index.txt", *commands]
            return subprocess.run(runner, env=env).returncode
    finally:
        site.terminate()
        site.wait()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    """Returns when `url` answers; reading the pages takes the server some seconds."""
    for _ in range(300):
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} does not answer")


if __name__ == "__main__":
    sys.exit(main())
