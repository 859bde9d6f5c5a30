"""What agents get from an instance: its public material, and which parts of it belong to each arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scribe_suite.laboratory.client.assembly import client_file
from scribe_suite.laboratory.shape import Unit
from scribe_suite.laboratory.terms import Terms
from scribe_suite.tasks.access import Access

#: The start of the first cell where a laboratory runs the model.
LABORATORY_CODE = """\
import json
import sys

import torch
from safetensors.torch import load_file

torch.set_num_threads(1)
sys.path.append(".")  # lab.py
import lab

"""


@dataclass(frozen=True)
class PublicMaterial:
    """All parts of an instance that an agent may see; nothing else ever reaches a kernel.

    Attributes:
        data_files: File name -> content of the data.
        data_code: Python that loads the data; it runs after `model_code` or `LABORATORY_CODE`.
        facts: JSON-safe values that the prompt template shows (sizes, names, the property in question).
        model_files: ``config.json`` and ``model.safetensors`` of a planted model; empty where there is none.
        model_code: Python that builds ``model`` from them, or imports the language model.
        lab_model_files: The same two files where only the laboratory may have them; `model_files` is empty then.
        model: Specification of a real language model, such as ``package:smollm2``, that `model_code` imports as
            `scribe_suite.models.spec.SETUP_CODE` does; None where `model_files` hold the model.
        lab_files: Replaces `data_files` in a laboratory, where the two differ.
        lab_code: Replaces `data_code` there.
    """

    data_files: Mapping[str, bytes]
    data_code: str
    facts: Mapping[str, Any]
    model_files: Mapping[str, bytes] = field(default_factory=dict)
    model_code: str = ""
    lab_model_files: Mapping[str, bytes] = field(default_factory=dict)
    model: str | None = None
    lab_files: Mapping[str, bytes] | None = None
    lab_code: str | None = None

    @property
    def unit(self) -> Unit:
        """What a laboratory's prices count."""
        return "prompt" if self.model is None else "token"

    @property
    def run_files(self) -> Mapping[str, bytes]:
        """The files of the planted model that a laboratory runs."""
        return self.model_files or self.lab_model_files

    @property
    def files(self) -> dict[str, bytes]:
        """The files of an agent that gets the weights, by name."""
        return {**self.model_files, **self.data_files}

    @property
    def setup_code(self) -> str:
        """The first cell of an agent that gets the weights."""
        return self.model_code + self.data_code

    def with_facts(self, **more: Any) -> PublicMaterial:
        """A copy with more facts for the prompt."""
        return replace(self, facts={**self.facts, **more})


@dataclass(frozen=True)
class Handed:
    """The part of an instance's material that is handed over in one arm.

    Attributes:
        access: Which arm.
        files: File name -> content, written to the kernel's working folder before it starts.
        setup_code: Python that runs as the notebook's first cell.
        kernel_model: Specification of the real language model that kernels have; None where they have none.
        terms: What the laboratory grants; None where there is none.
    """

    access: Access
    files: Mapping[str, bytes]
    setup_code: str
    kernel_model: str | None = None
    terms: Terms | None = None


def hand_over(public: PublicMaterial, access: Access, terms: Terms | None) -> Handed:
    """The material that an agent gets.

    Args:
        public: The instance's public material.
        access: The arm.
        terms: What the laboratory grants; only in arms with a laboratory.
    """
    if access == "weights":
        return Handed(access, public.files, public.setup_code, public.model)
    files = public.data_files if public.lab_files is None else public.lab_files
    code = public.data_code if public.lab_code is None else public.lab_code
    return Handed(access, {**files, **dict([client_file()])}, LABORATORY_CODE + code, terms=terms)
