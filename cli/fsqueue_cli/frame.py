"""The frame of every command: errors are one line on standard error with the right exit code, never a traceback.

What somebody typed may be repeated in an error, so it is cut and made printable before a terminal sees it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import click

from fsqueue.config.problems import printable
from fsqueue_cli.exits import EndError, Exit

_LONG_WORD = re.compile(r"\S{81,}")
LONGEST = 1200
"""Characters of an error's line."""


class CommandLine(click.Group):
    """The root of the commands."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and end the process with an exit code of ours (when *standalone_mode*, as always but in tests)."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(Exit.USAGE)
        except EndError as error:
            for line in error.lines:
                say_error(line)
            sys.exit(error.exit_code)
        except click.UsageError as error:
            say_error(_with_hint(error))
            sys.exit(Exit.USAGE)
        except click.ClickException as error:
            say_error(error.format_message())
            sys.exit(Exit.FAILED)
        except click.Abort:
            say_error("stopped; nothing was changed")
            sys.exit(Exit.FAILED)
        except OSError as error:
            say_error(f"{error.filename or 'what was to be printed'}: {(error.strerror or str(error)).lower()}")
            sys.exit(Exit.FAILED)
        sys.exit(code if isinstance(code, int) else Exit.DONE)


def say_error(text: str) -> None:
    """Write one line on standard error."""
    short = _LONG_WORD.sub(lambda found: found.group()[:60] + "…", text)
    click.echo(f"fsqueue: {printable(short, LONGEST)}", err=True)


def _with_hint(error: click.UsageError) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if error.ctx is not None else "fsqueue"
    return f"{message}; see {path} --help"
