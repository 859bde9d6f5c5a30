"""Build hook: a wheel has the folders of the suite inside the package, an editable installation finds the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What of the checkout's top a wheel has, below ``scribe_suite/suite/`` (`scribe_suite.paths.SHIPPED`).
SHIPPED = ("benchmarks", "fixtures", "ground_truth", "prompts", "pytest.ini")
#: Beginnings and endings of names that lie in those folders in a checkout that is used, and are no part of it.
LEFT_OUT_BEGINNINGS, LEFT_OUT_ENDINGS = (".", "__pycache__"), (".pyc", ".part")


class SuiteHook(BuildHookInterface):  # type: ignore[misc]
    """Adds the suite to wheels."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files, each by itself and in order.

        Args:
            version: ``editable`` or ``standard``.
            build_data: What is built; changed here.
        """
        if version == "editable":
            return
        root = Path(self.root)
        for name in SHIPPED:
            top = root / name
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                place = path.relative_to(root)
                left_out = place.name.endswith(LEFT_OUT_ENDINGS) or any(
                    part.startswith(LEFT_OUT_BEGINNINGS) for part in place.parts
                )
                if path.is_file() and not left_out:
                    build_data["force_include"][str(path)] = f"scribe_suite/suite/{place.as_posix()}"
