"""How a foreign program is told to us: split once, filled in after that, and only by those who may."""

from pathlib import Path

import pytest

from shortlist import settings
from shortlist.engines import find_engine, takes_names
from shortlist.engines.command_child import fill
from shortlist.engines.presets import PRESETS
from shortlist.engines.template import filled, from_flag, from_section
from shortlist.errors import BadInput, InvalidFile, UnknownName

FILE = Path("shortlist.toml")
SECTION = '[engines.mine]\ncommand = "mine {model} {port}"\n'


def test_a_command_is_split_once_and_filled_in_afterwards() -> None:
    template = from_flag("serve --model={model} '--say=a b' --port {port}")
    values = filled(template, {"model": "/m/it's; rm -rf $HOME {port}.gguf"})
    argv = fill(template.argv, {**values, "port": "80"})
    assert argv == ["serve", "--model=/m/it's; rm -rf $HOME {port}.gguf", "--say=a b", "--port", "80"]


def test_braces_that_are_no_placeholder_stay() -> None:
    assert fill(['{"a": {"b": 1}}', "{port}"], {"port": "1"}) == ['{"a": {"b": 1}}', "1"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("", "names no program"),
        ("serve {model}", "which {port}"),
        ("serve {modle} {port}", "{modle} is no placeholder"),
        ("{model} {port}", "program itself"),
        ("serve {port} --api-key {key}", "every user of this host"),
        ("serve 'x {port}", "No closing quotation"),
    ],
)
def test_a_command_that_cannot_be_started_is_told_before_anything_starts(command: str, told: str) -> None:
    with pytest.raises(BadInput) as error:
        from_flag(command)
    assert told in error.value.message
    with pytest.raises(InvalidFile) as invalid:
        from_section("mine", {"command": command}, FILE)
    assert "engines.mine" in invalid.value.message


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({}, "command"),
        ({"command": "x {port}", "opens": "folder"}, "opens"),
        ({"command": "x {port}", "shell": True}, "shell"),
        ({"command": "x {port}", "ready": "health"}, "/health"),
        ({"command": "x {port}", "ready_timeout": "soon"}, "soon"),
        ({"command": "x {port}", "pass_env": ["A B"]}, "A B"),
        ({"command": "x {port}", "env": {"A*": "1"}}, "A*"),
        ({"command": [3]}, "command"),
        ("x {port}", "object"),
    ],
)
def test_a_section_names_its_place_and_what_is_wrong_there(section: object, told: str) -> None:
    with pytest.raises(InvalidFile) as error:
        from_section("mine", section, FILE)
    assert "engines.mine" in error.value.message
    assert told in error.value.message


@pytest.mark.parametrize("model", ["--trust-remote-code", "-x", "", "a\nb", "a\0b"])
def test_a_name_that_would_be_an_option_is_not_given_to_a_program(model: str) -> None:
    with pytest.raises(BadInput, match="read as an option"):
        filled(PRESETS["vllm"], {"model": model})


def test_what_a_plan_keeps_changes_with_all_that_moves_answers_and_can_be_pasted() -> None:
    plain = from_section("x", {"command": ["serve", "a b", "{port}"]}, FILE)
    assert (plain.text, plain.stamp) == ("serve 'a b' {port}",) * 2
    told = [from_section("x", {"command": "serve {port}", "env": {"KEY": key}}, FILE) for key in ("1", "2")]
    assert told[0].text == told[1].text == "serve {port}"
    assert told[0].stamp != told[1].stamp
    assert from_flag(told[0].stamp.partition("  #")[0]).argv == told[0].argv


def test_every_preset_passes_its_own_checks() -> None:
    for name, preset in PRESETS.items():
        checked = from_section(name, {"command": list(preset.argv), "env": dict(preset.env), "opens": preset.opens,
                                      "pass_env": list(preset.pass_env), "ready": preset.ready}, FILE)  # fmt: skip
        assert (checked.argv, checked.env) == (preset.argv, preset.env)
        assert "0.0.0.0" not in preset.text
        assert any("127.0.0.1" in text for text in (*preset.argv, *preset.env.values()))


def test_programs_are_taken_from_the_home_that_the_user_chose_and_from_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here):
        folder.mkdir()
    monkeypatch.setenv("SHORTLIST_HOME", str(home))
    monkeypatch.chdir(here)
    with pytest.raises(UnknownName, match="unknown engine 'mine'"):
        find_engine("mine")
    (home / "shortlist.toml").write_text("rounds = 2\n" + SECTION)
    assert find_engine("mine").name == "mine"
    assert settings.load().rounds == 2
    for content in (SECTION, 'command = "mine {port}"\n'):
        (here / "shortlist.toml").write_text(content)
        with pytest.raises(InvalidFile, match="somebody else's"):
            settings.load()
    # A file of the folder may not lead there by way of another home either, its own folder included.
    monkeypatch.delenv("SHORTLIST_HOME")
    for other in (".", str(home)):
        (here / "shortlist.toml").write_text(f'home = "{other}"\n' + (SECTION if other == "." else ""))
        with pytest.raises(InvalidFile, match="somebody else's"):
            settings.load()
    # Who works inside the home is at home.
    monkeypatch.setenv("SHORTLIST_HOME", str(home))
    monkeypatch.chdir(home)
    assert find_engine("mine").name == "mine"


def test_a_section_takes_no_name_of_ours_and_foundry_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLIST_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shortlist.toml").write_text(
        '[engines.llamacpp]\ncommand = "evil {port}"\n[engines.vllm]\ncommand = "x {port}"'
    )
    assert find_engine("llamacpp").__name__ == "LlamaCpp"
    assert takes_names("vllm") is False  # the user's own section in place of the preset
    assert takes_names("ollama") is True
    with pytest.raises(BadInput, match="--endpoint"):
        find_engine("foundry")


def test_a_kept_command_goes_before_the_sections(tmp_path: Path) -> None:
    """`config set command` on a file that ends with a section must not land inside it."""
    file = tmp_path / "shortlist.toml"
    file.write_text(SECTION)
    settings.write_value(file, "command", "serve {model} {port}")
    env = {"SHORTLIST_HOME": str(tmp_path)}
    assert settings.load(env, Path("/")).command == "serve {model} {port}"
    assert settings.engine_sections(env, Path("/"))[1] == {"mine": {"command": "mine {model} {port}"}}


def test_a_program_in_a_folder_of_the_users_is_found_from_anywhere() -> None:
    assert from_flag("~/bin/serve {port}").argv[0] == str(Path.home() / "bin/serve")
    assert from_flag("./serve {port}").argv[0] == str(Path.cwd() / "serve")
    assert from_section("x", {"command": "./serve {port}"}, Path("/home/shortlist.toml")).argv[0] == "/home/serve"
