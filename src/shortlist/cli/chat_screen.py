"""The chat in the terminal: a line in, an answer as it comes, commands that begin with a slash."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from shortlist import units
from shortlist.chat.conversation import Conversation
from shortlist.chat.images import refuse_images
from shortlist.chat.schema import check_answer
from shortlist.cli.answers import AnswerWriter, cut_notes, stats_line
from shortlist.cli.output import say, say_error
from shortlist.errors import BadInput, EndpointError, UnknownName
from shortlist.settings import Settings

_MORE = '"""'


class Chat:
    """Reads lines until the user leaves. An error of one question ends that question, an engine's end the chat."""

    def __init__(self, runner: asyncio.Runner, talk: Conversation, settings: Settings, model: str) -> None:
        self._runner = runner
        self._talk = talk
        self._settings = settings
        self._model = model
        self._commands: dict[str, tuple[Callable[[str], bool], str]] = {
            "/help": (self._help, "these commands"),
            "/system": (self._system, "TEXT: what the model is told before all else; alone: show it, - takes it back"),
            "/clear": (self._clear, "forget what was said"),
            "/save": (self._save, "FILE: write the conversation as text"),
            "/stats": (self._stats, "tokens, speed and room in the context so far"),
            "/exit": (self._exit, "leave; so do Ctrl-C and Ctrl-D"),
        }

    def run(self) -> None:
        """Until the user leaves."""
        _line_editing()
        end = self._talk.endpoint
        say(f"{self._model} on {end.engine}, {end.device or 'device unknown'}; /help for commands, Ctrl-D to leave")
        while True:
            try:
                text = self._read()
            except (EOFError, KeyboardInterrupt):
                say("")
                return
            try:
                if text.startswith("/"):
                    if not self._command(text):
                        return
                elif text.strip():
                    self._ask(text)
            except (BadInput, EndpointError) as error:
                say_error(error)
            except KeyboardInterrupt:
                say("")  # it came between an answer and the next prompt: nothing is left to stop

    def _read(self) -> str:
        """A line, or with three quotation marks several."""
        text = input(">>> ")
        if not text.startswith(_MORE):
            return text
        lines = [text.removeprefix(_MORE)]
        while not lines[-1].endswith(_MORE) or (len(lines) == 1 and not lines[0]):
            lines.append(input("... "))
        return "\n".join(lines).removesuffix(_MORE)

    def _ask(self, text: str) -> None:
        refuse_images(text)
        writer, before = AnswerWriter(asked_ascii=self._settings.ascii), len(self._talk.answers)
        try:
            self._runner.run(self._talk.ask(text, writer.piece))
        except KeyboardInterrupt:
            pass  # the answer is over, the chat is not
        finally:
            writer.end()
        for answer in self._talk.answers[before:]:
            for note in cut_notes(self._talk.asking, answer):
                say(f"note: {note}")
            say(stats_line(answer))
            if self._talk.asking.schema is not None and not answer.is_stopped:
                check_answer(answer, self._talk.asking.schema)

    def _command(self, text: str) -> bool:
        """Whether the chat goes on."""
        name, _, rest = text.partition(" ")
        if name not in self._commands:
            raise UnknownName("command", name, self._commands)
        return self._commands[name][0](rest.strip())

    def _help(self, _: str) -> bool:
        for name, command in self._commands.items():
            say(f"  {name:<8} {command[1]}")
        say(f"  {_MORE:<8} begins a question of several lines, {_MORE} ends it; Ctrl-C stops an answer")
        return True

    def _system(self, text: str) -> bool:
        if text:
            self._talk.set_system(None if text == "-" else text)
        say(f"system: {self._talk.system or '(none)'}")
        return True

    def _clear(self, _: str) -> bool:
        self._talk.clear()
        say("forgotten")
        return True

    def _save(self, place: str) -> bool:
        if not place:
            raise BadInput("/save needs a file", hint="/save notes.txt")
        path = Path(place).expanduser()
        text = "".join(f"[{one.role}]\n{one.content}\n\n" for one in self._talk.messages)
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            raise BadInput(f"{path} is there already", hint="give another name") from None
        except OSError as error:
            raise BadInput(f"{path} cannot be written: {error.strerror}") from None
        say(f"wrote {path}: {units.counted(len(self._talk.messages), 'message')}")
        return True

    def _stats(self, _: str) -> bool:
        answers = self._talk.answers
        tokens = sum(answer.completion_tokens or 0 for answer in answers)
        spans = [answer.total_ns for answer in answers if answer.total_ns and answer.completion_tokens]
        speed = f", {units.rate(tokens / (sum(spans) / 1e9))} tok/s" if spans else ""
        say(f"{units.counted(len(answers), 'answer')}, {units.counted(tokens, 'token')}{speed}")
        last = next((one for one in reversed(answers) if one.prompt_tokens is not None), None)
        context = self._talk.engine.settings.get("context")
        if last is not None and last.prompt_tokens is not None:
            used = last.prompt_tokens + (last.completion_tokens or 0)
            say(f"the conversation takes {used} tokens" + (f" of {context}" if context else ""))
        return True

    def _exit(self, _: str) -> bool:
        return False


def _line_editing() -> None:
    """Arrow keys and the lines of this chat; no file is kept."""
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):  # Windows has none; lines are read all the same
            import readline

            readline.set_history_length(1000)
