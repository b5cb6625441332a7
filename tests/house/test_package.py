"""What is in the wheel: everything the program needs, and nothing else."""

import os
import zipfile
from pathlib import Path

import hatchling.build

ROOT = Path(__file__).parents[2]


def test_the_wheel_has_the_program_its_themes_styles_and_schema(tmp_path: Path) -> None:
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        wheel = tmp_path / hatchling.build.build_wheel(str(tmp_path))
    finally:
        os.chdir(before)
    names = set(zipfile.ZipFile(wheel).namelist())
    themes = {f"flowchat/themes/{path.name}" for path in (ROOT / "themes").glob("*.toml")}
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "flowchat").rglob("*")
        if path.suffix in (".py", ".tcss", ".json", ".md", ".toml")
    }
    assert {"flowchat/themes/dark.toml", "flowchat/themes/light.toml"} <= themes
    assert {"flowchat/cli.py", "flowchat/serve/stream.schema.json", "flowchat/ui/flowchat.tcss"} <= sources
    assert {name for name in names if ".dist-info/" not in name} == themes | sources
    assert wheel.name.startswith("flowchat_tui-")
