"""Where a sweep lies: a folder here, on a shared file system, or anywhere that fsspec reaches."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from sim.errors import FidelioError, StoreError

LOCK: Final = ".driver"
"""File that names the process that drives a sweep."""
TEMPORARY: Final = ".half"
"""How a file's name ends until it is written."""
ABANDONED: Final = 3600.0
"""Seconds after which a file that is still half written has been given up."""
NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems say that know no locks."""
NO_FOLDER_SYNC: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems say that write folders by themselves."""


def open_place(url: str | Path) -> Place:
    """Return a folder by its path, or by an address that fsspec knows; nothing is made there.

    A Place can be pickled, and goes on working in a process forked or spawned from this one.

    Raises
    ------
    StoreError
        If the address is of an unknown kind, or the package that opens it is missing.
    """
    if isinstance(url, Path) or ("://" not in url and "::" not in url):
        return Folder(Path(url).expanduser().absolute())
    try:
        system, path = url_to_fs(url)
    except Exception as error:  # each file system has errors of its own
        raise _failed("open", url, error) from error
    if isinstance(system, LocalFileSystem):
        return Folder(Path(path))
    return Remote(url.rstrip("/"))


class Place(ABC):
    """A folder; its files go by names relative to it, `parts/shard-000012.parquet`.

    Attributes
    ----------
    url
        Path or address, good in every process and working directory.
    local
        The folder itself where it lies in a file system of this machine, shared ones included.

    Every method raises StoreError with the reason if the place does not do what is asked.
    """

    url: str
    local: Path | None

    @abstractmethod
    def create(self) -> None:
        """Make the folder, if it is not there."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Return the names of what a folder of the place holds, sorted.

        They are listed anew each time, without what is half written. A folder that is not there
        holds nothing; if the place itself is gone, that is an error.
        """

    @abstractmethod
    def siblings(self) -> list[Place]:
        """Return the other folders of the one that this one lies in."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Return whether there is a file."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return all of a file."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Return a file to be read here and there."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; one that was there is replaced."""

    @abstractmethod
    @contextmanager
    def filling(self, name: str) -> Iterator[Path]:
        """Give a file of this machine to fill, and put it at its name if that went well."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def remove_abandoned(self, folder: str = "") -> list[str]:
        """Remove what was left half written long ago, and return its names."""

    @abstractmethod
    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that drives the sweep which lies here.

        Only where the file system has locks: object stores have none. It is let go of when the
        process ends, however it ends.
        """


class Folder(Place):
    """A folder in a file system of this machine.

    A file is written beside its place, brought to disk, and renamed: a reader meets all of it or
    nothing, and after a power cut as well.
    """

    def __init__(self, path: Path) -> None:
        self.local: Path = path
        self.url = str(path)

    def create(self) -> None:
        """Make the folder, if it is not there."""
        with _explained("make", self.local):
            self.local.mkdir(parents=True, exist_ok=True)

    def names(self, folder: str = "") -> list[str]:
        """Return the names of what a folder of the place holds, sorted."""
        path = self.local / folder
        with _explained("read", path):
            try:
                found = os.listdir(path)
            except FileNotFoundError:
                os.listdir(self.local)  # raises if the place itself is gone
                return []
        return sorted(name for name in found if not name.startswith("."))

    def siblings(self) -> list[Place]:
        """Return the other folders of the one that this one lies in."""
        parent = self.local.parent
        with _explained("read", parent):
            found = sorted(path for path in parent.iterdir() if path.is_dir())
        return [Folder(path) for path in found if path != self.local]

    def exists(self, name: str) -> bool:
        """Return whether there is a file."""
        return (self.local / name).exists()

    def read(self, name: str) -> bytes:
        """Return all of a file."""
        with _explained("read", self.local / name):
            return (self.local / name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        """Return a file to be read here and there."""
        with _explained("read", self.local / name):
            return (self.local / name).open("rb")

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; one that was there is replaced."""
        with self.filling(name) as path, _explained("write", self.local / name):
            path.write_bytes(data)

    @contextmanager
    def filling(self, name: str) -> Iterator[Path]:
        """Give a file of this machine to fill, and put it at its name if that went well."""
        target = self.local / name
        with _explained("write", target):
            if target.parent != self.local:
                # Not its parents: a place that vanished is not made anew, without its manifest.
                target.parent.mkdir(exist_ok=True)
            handle, made = tempfile.mkstemp(TEMPORARY, f".{target.name}.", target.parent)
            temporary = Path(made)
            try:
                yield temporary
                os.fsync(handle)
                os.fchmod(handle, 0o644)
                temporary.replace(target)
                _sync_folder(target.parent)
            finally:
                os.close(handle)
                temporary.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with _explained("remove", self.local / name):
            (self.local / name).unlink(missing_ok=True)

    def remove_abandoned(self, folder: str = "") -> list[str]:
        """Remove what was left half written long ago, and return its names."""
        before = time.time() - ABANDONED
        with _explained("remove what is half written in", self.local / folder):
            found = [
                path
                for path in (self.local / folder).glob(f".*{TEMPORARY}")
                if path.stat().st_mtime < before
            ]
            for path in found:
                path.unlink(missing_ok=True)
        return sorted(path.name for path in found)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that drives the sweep which lies here."""
        self.create()
        with _explained("lock", self.local):
            handle = self._locked()
        try:
            yield
        finally:
            # Removed while it is still ours; a later driver may have made another one otherwise.
            with _explained("unlock", self.local):
                (self.local / LOCK).unlink(missing_ok=True)
            os.close(handle)

    def _locked(self) -> int:
        """Return the open file of the lock, once it is ours."""
        path = self.local / LOCK
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                # A lock of the process, not of the open file: forked workers do not inherit it.
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.pread(handle, 1000, 0).decode("utf-8", "replace")
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    os.close(handle)
                    raise StoreError(
                        f"{self.local}: another process drives this sweep: {holder or 'unknown'}"
                    ) from None
                if error.errno not in NO_LOCKS:
                    os.close(handle)
                    raise
            # Whoever had it before may have removed the file between our opening and locking it.
            if os.fstat(handle).st_nlink:
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"pid {os.getpid()} on {socket.gethostname()}".encode(), 0)
                return handle
            os.close(handle)


class Remote(Place):
    """A folder that fsspec reaches. One put writes a file: object stores show it whole or not."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.local = None

    def create(self) -> None:
        """Make the folder, if it is not there and the store has folders at all."""
        with _explained("make", self.url, Exception):
            system, path = self._system()
            system.makedirs(path, exist_ok=True)

    def names(self, folder: str = "") -> list[str]:
        """Return the names of what a folder of the place holds, sorted."""
        with _explained("read", f"{self.url}/{folder}".rstrip("/"), Exception):
            system, path = self._system(folder)
            system.invalidate_cache(path)
            try:
                found = system.ls(path, detail=False)
            except FileNotFoundError:
                return []
        bases = {str(each).rstrip("/").rpartition("/")[2] for each in found}
        # Some stores list the folder itself, as an empty object.
        own = path.rstrip("/").rpartition("/")[2]
        return sorted(base for base in bases - {own} if not base.startswith("."))

    def siblings(self) -> list[Place]:
        """Return the other folders of the one that this one lies in."""
        above, _, own = self.url.rpartition("/")
        if above.endswith((":", ":/")):
            return []  # it is a whole bucket
        with _explained("read", above, Exception):
            system, path = self._system()
            parent = system._parent(path)
            system.invalidate_cache(parent)
            found = system.ls(parent, detail=True)
        folders = (str(each["name"]) for each in found if each["type"] == "directory")
        names = sorted(name.rstrip("/").rpartition("/")[2] for name in folders)
        return [Remote(f"{above}/{name}") for name in names if name != own]

    def exists(self, name: str) -> bool:
        """Return whether there is a file."""
        with _explained("read", f"{self.url}/{name}", Exception):
            system, path = self._system(name)
            system.invalidate_cache(system._parent(path))
            return bool(system.exists(path))

    def read(self, name: str) -> bytes:
        """Return all of a file."""
        with _explained("read", f"{self.url}/{name}", Exception):
            system, path = self._system(name)
            return bytes(system.cat_file(path))

    def open(self, name: str) -> BinaryIO:
        """Return a file to be read here and there."""
        with _explained("read", f"{self.url}/{name}", Exception):
            system, path = self._system(name)
            return cast(BinaryIO, system.open(path, "rb"))

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; one that was there is replaced."""
        with _explained("write", f"{self.url}/{name}", Exception):
            system, path = self._system(name)
            _with_parents(system, path, lambda: system.pipe_file(path, data))

    @contextmanager
    def filling(self, name: str) -> Iterator[Path]:
        """Give a file of this machine to fill, and put it at its name if that went well."""
        with tempfile.TemporaryDirectory() as folder:
            filled = Path(folder) / "filled"
            filled.touch()
            with _explained("write", filled):
                yield filled
            with _explained("write", f"{self.url}/{name}", Exception):
                system, path = self._system(name)
                _with_parents(system, path, lambda: system.put_file(str(filled), path))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with _explained("remove", f"{self.url}/{name}", Exception):
            system, path = self._system(name)
            try:
                system.rm_file(path)
            except FileNotFoundError:
                return

    def remove_abandoned(self, folder: str = "") -> list[str]:
        """Return nothing: nothing is ever half written here."""
        return []

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make the folder; there are no locks here."""
        self.create()
        yield

    def _system(self, name: str = "") -> tuple[Any, str]:
        """Return the file system, which fsspec keeps one of per process, and a path in it."""
        system, path = url_to_fs(self.url)
        return system, f"{path}/{name}" if name else path


@contextmanager
def _explained(verb: str, path: object, raised: type[Exception] = OSError) -> Iterator[None]:
    """Turn what a file system raises into a StoreError; remote ones have errors of their own."""
    try:
        yield
    except FidelioError:
        raise
    except raised as error:
        raise _failed(verb, path, error) from error


def _failed(verb: str, path: object, error: Exception) -> StoreError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return StoreError(f"cannot {verb} {path}: {reason}")


def _with_parents(system: Any, path: str, put: Callable[[], object]) -> None:
    """Put a file, and make its folder only if that turns out to be needed: it costs a request."""
    try:
        put()
    except FileNotFoundError:
        system.makedirs(system._parent(path), exist_ok=True)
        put()


def _sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to disk, so that a rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)
