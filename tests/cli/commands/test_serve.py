import json
import re
import signal
import socket
import subprocess
import time
import urllib.request


def test_it_serves_reloads_and_ends(trained, command, dataset):
    _, workdir = trained
    where = (f"--workdir={workdir}", f"--dataset={dataset.folder}", "--port=0")
    line, environment = command("serve", *where, "--watch_seconds=0")
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            log = ""
            while not (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", log)):
                log += process.stderr.readline()
                assert process.poll() is None, log
            address = found[1]
            body = json.dumps({"users": ["user-000"], "k": 3}).encode()
            request = urllib.request.Request(
                f"{address}/recommend", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request) as response:
                assert len(json.load(response)[0]["items"]) == 3
            process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 60
            metrics = ""
            while "symcere_reloads 1.0" not in metrics and time.monotonic() < deadline:
                with urllib.request.urlopen(f"{address}/metrics") as response:
                    metrics = response.read().decode()
                time.sleep(0.1)
            assert "symcere_reloads 1.0" in metrics
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=60)
    assert "Traceback" not in log
    assert process.returncode == 0


def test_an_address_that_is_taken_is_one_line(trained, run_binary, dataset):
    _, workdir = trained
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        where = (f"--workdir={workdir}", f"--dataset={dataset.folder}", f"--port={port}")
        run = run_binary("serve", *where)
    assert run.status == 1
    assert run.error.startswith(f"cannot listen on 127.0.0.1:{port} (")
