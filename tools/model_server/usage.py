"""Token counts of the replies: known constants, so that a test can compute the sum of a transcript."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Api = Literal["anthropic", "openai", "openai-chat", "gemini"]

#: Input tokens that are not cached, of a request without tool results; each tool result adds one.
FRESH_INPUT = 1000
CACHED_INPUT = 500
OUTPUT = 60
#: Reasoning tokens of the output, for the APIs that report them; Gemini counts them separately.
REASONING = 20


@dataclass(frozen=True)
class Usage:
    """Tokens in one meaning for all APIs: input includes cached, output includes reasoning."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )


def usage_at(api: Api, results: int) -> Usage:
    """Tokens of the reply to a request with that many tool results."""
    reasoning = 0 if api == "anthropic" else REASONING
    return Usage(FRESH_INPUT + results + CACHED_INPUT, CACHED_INPUT, OUTPUT, reasoning)


def usage_total(api: Api, results: Iterable[int]) -> Usage:
    """Tokens of the replies to several requests, given the number of tool results of each."""
    return sum((usage_at(api, count) for count in results), Usage())


def anthropic_usage(results: int, output: int = OUTPUT) -> dict[str, int]:
    """``usage`` of Anthropic Messages, whose input excludes cached tokens."""
    return {
        "input_tokens": FRESH_INPUT + results,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED_INPUT,
        "output_tokens": output,
    }


def openai_usage(results: int) -> dict[str, Any]:
    """``usage`` of OpenAI Responses, whose input includes cached and output includes reasoning tokens."""
    used = usage_at("openai", results)
    return {
        "input_tokens": used.input,
        "input_tokens_details": {"cached_tokens": used.cached},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input + used.output,
    }


def openai_chat_usage(results: int) -> dict[str, Any]:
    """``usage`` of OpenAI Chat Completions, which includes what Responses includes."""
    used = usage_at("openai-chat", results)
    return {
        "prompt_tokens": used.input,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens": used.output,
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input + used.output,
    }


def gemini_usage(results: int) -> dict[str, int]:
    """``usageMetadata`` of Gemini, whose prompt includes cached tokens and whose candidates exclude thoughts."""
    used = usage_at("gemini", results)
    return {
        "promptTokenCount": used.input,
        "cachedContentTokenCount": used.cached,
        "candidatesTokenCount": used.output - used.reasoning,
        "thoughtsTokenCount": used.reasoning,
        "totalTokenCount": used.input + used.output,
    }
