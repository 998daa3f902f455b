"""What must be on the machine before anything is measured: wrk, libev, the peers' virtual environment, monopod.

Debian packages are installed when running as root; otherwise a sentence says what is missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import assets
from request import FileRequest
from scenarios import Scenario
from servers import APPS, CARGO_ROOT, FLOOR, HERE, Place, Server, find_program
from slowhttptest import SlowHttpTest

ROOT = HERE.parent.parent
REQUIREMENTS = HERE / "requirements.txt"
BROTLI_MODULE = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")
STATIC_WEB_SERVER = "2.44.1"
LIBEV_HEADERS = ("/usr/include/ev.h", "/usr/include/libev/ev.h", "/usr/local/include/ev.h")


class Missing(Exception):
    """Something the bench needs is not there; says what to do."""


def run(command: list[str], seconds: float, **environment: str) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, **environment},
        )
    except subprocess.TimeoutExpired as error:
        raise Missing(f"`{' '.join(command)}` did not end within {seconds:.0f} s") from error
    except OSError as error:
        raise Missing(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise Missing(f"`{' '.join(command)}` ended with {done.returncode}:\n{end}")
    return done.stdout


def install_debian(package: str, purpose: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"{package} is missing ({purpose}): install it, on Debian with `apt-get install {package}`")
    print(f"installing {package} ({purpose})", flush=True)
    run(["apt-get", "update", "-q"], 120)
    run(["apt-get", "install", "-y", "-q", "--no-install-recommends", package], 300, DEBIAN_FRONTEND="noninteractive")


def need_tools(scenarios: Iterable[Scenario]) -> None:
    if shutil.which("wrk") is None:
        install_debian("wrk", "it puts the load on")
    attacks = any(isinstance(scenario.load, SlowHttpTest) for scenario in scenarios)
    if attacks and shutil.which("slowhttptest") is None:
        install_debian("slowhttptest", "it attacks")


def need_parts_of(server: Server) -> None:
    """What pip does not bring."""
    if server.name.startswith("nginx") and find_program("nginx") is None:
        install_debian("nginx", "it is a peer, or stands in front of one; or leave that out with --servers")
    if server.name == "nginx" and not BROTLI_MODULE.exists():
        install_debian("libnginx-mod-http-brotli-static", "nginx serves .br files with it; or leave nginx out")
    if server.name == "static-web-server" and find_program(server.name) is None:
        command = f"cargo install static-web-server --locked --version {STATIC_WEB_SERVER} --root {CARGO_ROOT}"
        raise Missing(f"not installed; `{command}` builds it, which takes five minutes of two cores")
    if server.name == "floor":
        need_floor()
    if server.name == "caddy" and find_program(server.name) is None:
        # Its package starts a server on port 80 and would again at every boot: not to be done unasked.
        raise Missing("not installed; on Debian `apt-get install caddy`")
    if server.name == "bjoern" and not any(Path(header).exists() for header in LIBEV_HEADERS):
        install_debian("libev-dev", "bjoern is compiled against it; or leave bjoern out with --servers")


def need_floor() -> None:
    """Build benches/floor; cargo sees when that was done before."""
    cargo = shutil.which(
        "cargo", path=os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path.home() / ".cargo/bin")))
    )
    if cargo is None:
        raise Missing("cargo is missing, which builds it; or leave it out with --servers")
    manifest = HERE.parent / "floor" / "Cargo.toml"
    command = [cargo, "build", "--release", "--locked", "--quiet", "--manifest-path", str(manifest)]
    run(command, 600, CARGO_TARGET_DIR=str(FLOOR.parent.parent))


def need_venv(python: str, servers: Iterable[Server], scenarios: Iterable[Scenario]) -> Path:
    """Create the virtual environment and install what is asked for; nothing to do when that was done before.

    Each minor version of Python has one of its own.
    """
    packages = {package for server in servers for package in server.packages}
    packages.update(*(scenario.packages for scenario in scenarios))
    minor, version = run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.version)"], 20).split(
        " ", 1
    )
    venv = ROOT / "target" / f"bench-venv-{minor}"
    key = hashlib.sha256(f"{version}{REQUIREMENTS.read_text()}".encode()).hexdigest()
    stamp = venv / "installed"
    installed = stamp.read_text().split() if stamp.exists() else []
    if not installed or installed[0] != key:
        print(f"creating {venv.relative_to(ROOT)}", flush=True)
        run([python, "-m", "venv", "--clear", str(venv)], 120)
        (venv / ".gitignore").write_text("*\n")
        installed = [key]
    absent = sorted(packages - set(installed))
    if absent:
        print(f"installing {', '.join(absent)}", flush=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        run([*pip, "-c", str(REQUIREMENTS), *absent], 600)
    stamp.write_text("\n".join([*installed, *absent]) + "\n")
    return venv


def need_assets(scenarios: Iterable[Scenario], monopod: Path | None) -> None:
    """The files that are sent, and the siblings of static ones; nothing to do when that was done before."""
    assets.DIRECTORY.mkdir(parents=True, exist_ok=True)
    if any(scenario.app == "file_wrapper:app" for scenario in scenarios):
        assets.DOWNLOAD.write(assets.ROOT)
    if not any(isinstance(scenario.request, FileRequest) for scenario in scenarios):
        return
    for asset in assets.ASSETS:
        asset.write()
    if monopod is not None:
        run([str(monopod), "compress", str(assets.DIRECTORY)], 120)
    if any(asset.encoded("br") is None for asset in assets.ASSETS):
        raise Missing(
            f"{assets.DIRECTORY.relative_to(ROOT)} has no .br files, which `monopod compress` writes: it needs monopod"
        )


def find_monopod(given: Path | None, venv: Path) -> Path:
    """The command for the Python of `venv`: the binary is linked with one, and refuses to run another."""
    found = look_for_monopod(given, venv)
    try:
        run([str(found), "check", "hello:app", "--chdir", str(APPS), "--venv", str(venv)], 20)
    except Missing as error:
        raise Missing(f"{error}\n`make bench BENCH_PYTHON=…` builds monopod for another Python") from error
    return found


def look_for_monopod(given: Path | None, venv: Path) -> Path:
    if given is not None:
        if not os.access(given, os.X_OK) or not given.is_file():
            raise Missing(f"--monopod {given} is not an executable file")
        return given.resolve()
    built = [path for name in ("profiled", "release") if (path := ROOT / "target" / name / "monopod").is_file()]
    if built:
        return max(built, key=lambda path: path.stat().st_mtime)
    if os.access(venv / "bin" / "monopod", os.X_OK):
        return venv / "bin" / "monopod"
    raise Missing(
        "monopod is not built: run `make release` or `cargo build --release`, pass --monopod PATH, or leave it out with --servers"
    )


@contextlib.contextmanager
def going_first() -> Iterator[None]:
    """Real-time priority for what is started meanwhile, before which ordinary work has to wait (man 7 sched)."""
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


def may_go_first() -> bool:
    """Whether `going_first` is allowed here."""
    try:
        with going_first():
            return True
    except PermissionError:
        return False


def versions(place: Place, servers: Iterable[str]) -> dict[str, str]:
    """What was really measured, for the record."""
    found = {"python": run([place.command("python"), "-V"], 20).split()[-1]}
    freeze = run([place.command("python"), "-m", "pip", "freeze", "--disable-pip-version-check"], 60)
    for line in freeze.splitlines():
        name, separator, version = line.partition("==")
        if separator:
            found[name.lower()] = version
    wanted = {part for server in servers for part in server.split("+")}
    for name, option in (("nginx", "-v"), ("static-web-server", "--version"), ("caddy", "version")):
        if name in wanted and (program := find_program(name)) is not None:
            said = subprocess.run([program, option], capture_output=True, text=True, timeout=20)
            if number := re.search(r"\d+(\.\d+)+", said.stdout + said.stderr):
                found[name] = number[0]
    if "floor" in servers:
        lock = (HERE.parent / "floor" / "Cargo.lock").read_text()
        if number := re.search(r'name = "hyper"\nversion = "([^"]+)"', lock):
            found["hyper"] = number[1]
    if place.monopod is not None:
        found["monopod"] = run([str(place.monopod), "--version"], 20).split()[-1]
    return found
