"""Errors that carry data: what was given, what is allowed, where, and the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class FidelioError(Exception):
    """Base of every error that a user can cause; commands print it without a traceback."""

    exit_code = 2


class ConfigError(FidelioError):
    """A configuration value that cannot be used.

    Parameters
    ----------
    problem
        What is wrong, as the end of a sentence that begins with the key.
    key
        Dotted path of the setting, `market.rate.mean`.
    value
        What was given.
    allowed
        What would be accepted, in words.
    file
        The file (or "command line") that the value came from.
    known
        Names that exist here; the one nearest to `value` is suggested.
    """

    def __init__(
        self,
        problem: str,
        *,
        key: str = "",
        value: object = None,
        allowed: str = "",
        file: str = "",
        known: Iterable[str] = (),
    ) -> None:
        self.problem, self.key, self.value = problem, key, value
        self.allowed, self.file, self.known = allowed, file, tuple(known)
        super().__init__(str(self))

    @property
    def nearest(self) -> str | None:
        """The known name most like the given one, or None."""
        wanted = self.value if isinstance(self.value, str) else self.key.rsplit(".", 1)[-1]
        matches = get_close_matches(wanted, self.known, n=1, cutoff=0.5)
        return matches[0] if matches else None

    def with_file(self, file: str) -> ConfigError:
        """Return the same error, naming `file` if no file is named yet."""
        return ConfigError(
            self.problem,
            key=self.key,
            value=self.value,
            allowed=self.allowed,
            file=self.file or file,
            known=self.known,
        )

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        subject = f"{self.key}: " if self.key else ""
        text = f"{where}{subject}{self.problem}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.nearest:
            text += f"; did you mean '{self.nearest}'?"
        elif self.known:
            text += f"; known: {', '.join(sorted(self.known))}"
        return text


class DataError(FidelioError):
    """A data file that is missing or does not hold what it should."""


class StoreError(FidelioError):
    """A result folder that cannot be written or read."""


class EngineError(FidelioError):
    """An engine that cannot go on: nobody left to do the work, or nobody who answers."""


class Interrupted(FidelioError):  # noqa: N818  # nothing went wrong
    """Stopped by Ctrl-C; the message says what is kept."""

    exit_code = 130
