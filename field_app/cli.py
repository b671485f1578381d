"""`field-app`: the same actions without a screen, so that a station, a test or a support person can drive a device.

Exit codes: 0 done; 1 refused or unreachable, with one line on standard error (with --json a document is printed all the same);
2 wrong usage. The PIN comes from --pin-file, else FIELD_APP_PIN, else a prompt; `sync`, `status`, `outbox` and `doctor` need none,
but `sync` fetches news only with one.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from field_app import config, documents
from field_app.actions import Actions, Failed
from field_app.cli_parser import build_parser as build_parser
from field_app.outcomes import Opened, Trouble
from referral.problems import FieldError, ProblemCode

Json = Any


class Refusal(Exception):
    """The command ends with exit code 1 and this line."""

    def __init__(self, problem: Trouble | FieldError) -> None:
        super().__init__(documents.error(problem)["message"])
        self.problem = problem


class Usage(Exception):
    """The command ends with exit code 2 and this line."""


@dataclass
class Shell:
    """One run of one command: its arguments, and where its answer goes."""

    arguments: argparse.Namespace
    configuration: config.Config

    @property
    def json(self) -> bool:
        """Whether one JSON document is asked for."""
        return bool(self.arguments.json)

    def answer(self, document: Json, lines: Sequence[str]) -> None:
        """Print the document, or the lines that say the same to a person."""
        print(json.dumps(document, ensure_ascii=False, indent=1) if self.json else "\n".join(lines), flush=True)

    @contextmanager
    def device(self, *, unlocked: bool, whole: bool = True) -> Iterator[Actions]:
        """The device in the data folder; with its vault open if that is needed. Raises Refusal.

        whole: refuse a folder that does not open; the doctor looks at it all the same.
        """
        from field_app.compose import open_device

        actions = open_device(self.folder, ca_file=self.configuration.ca_file)
        try:
            if actions.trouble is not None and (whole or actions.trouble.problem is ProblemCode.NOT_ENROLLED):
                raise Refusal(actions.trouble)
            if unlocked:
                self.unlock(actions, self.pin())
            yield actions
        except Failed as failed:
            raise Refusal(failed.trouble) from failed
        finally:
            actions.close()

    def unlock(self, actions: Actions, pin: str) -> None:
        """Open the vault. Raises Refusal."""
        outcome = actions.unlock(pin)
        if not isinstance(outcome, Opened):
            raise Refusal(outcome)

    def unlock_if_whole(self, actions: Actions, pin: str) -> None:
        """Open the vault; where it is damaged, say so and go on: what waits needs no vault. Raises Refusal for all else."""
        outcome = actions.unlock(pin)
        if isinstance(outcome, Trouble) and outcome.problem is ProblemCode.VAULT_DAMAGED:
            print(f"field-app: {documents.sentence(outcome)}", file=sys.stderr)
        elif not isinstance(outcome, Opened):
            raise Refusal(outcome)

    @property
    def folder(self) -> Path:
        """The data folder."""
        given: Path | None = self.arguments.data
        return given if given is not None else self.configuration.data

    def given_pin(self) -> str | None:
        """The PIN of --pin-file or FIELD_APP_PIN, if there is one. Raises Usage for a file that cannot be read."""
        path: Path | None = self.arguments.pin_file
        if path is None:
            return self.configuration.pin
        try:
            pin = path.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Usage(f"the PIN file cannot be read: {type(error).__name__}") from error
        if not pin:
            raise Usage("the PIN file is empty")
        return pin

    def pin(self) -> str:
        """The PIN, asked for if need be. Raises Usage when nobody can be asked."""
        if (given := self.given_pin()) is not None:
            return given
        if not sys.stdin.isatty():
            raise Usage("a PIN is needed: use --pin-file or FIELD_APP_PIN")
        pin = getpass.getpass("PIN: ")
        if not pin:
            raise Usage("no PIN was given")
        return pin


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    from field_app import commands

    arguments = build_parser().parse_args(argv)
    shell = Shell(arguments=arguments, configuration=config.read(os.environ, Path.home(), sys.platform))
    handler = getattr(commands, str(arguments.handler))
    try:
        return int(handler(shell))
    except Usage as wrong:
        print(f"field-app: {wrong}", file=sys.stderr)
        return 2
    except Refusal as refusal:
        if shell.json:
            print(json.dumps({"error": documents.error(refusal.problem)}, ensure_ascii=False), flush=True)
        print(f"field-app: {refusal}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our answer has gone; what was saved is saved
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
