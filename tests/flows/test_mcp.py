"""The official MCP client against a served installation, over HTTP and over standard input and output."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from tests.environment import ROOT
from tests.flows.conftest import secret_for
from tests.flows.installation import Installation
from tests.people import LEAVE

pytestmark = pytest.mark.slow
QUESTION = "How many days of paid annual leave do full-time employees receive?"


@pytest.fixture(scope="module")
def ben(programs: Installation) -> str:
    return secret_for(programs, "ben")


@pytest.fixture(scope="module")
def cy(programs: Installation) -> str:
    return secret_for(programs, "cy")


@asynccontextmanager
async def by_http(programs: Installation, secret: str, mode: str) -> Any:
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http_client:
        transport = streamable_http_client(f"{programs.url}/mcp", http_client=http_client)
        async with Client(transport, mode=mode) as client:
            yield client


def over_http(programs: Installation, secret: str, use: Callable[[Client], Awaitable[Any]], mode: str = "auto") -> Any:
    async def run() -> Any:
        async with by_http(programs, secret, mode) as client:
            return await use(client)

    return asyncio.run(run())


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_it_lists_its_tools_to_clients_of_either_generation(programs: Installation, mode: str, ben: str) -> None:
    listed = over_http(programs, ben, lambda client: client.list_tools(), mode)
    assert [tool.name for tool in listed.tools] == ["ask", "search", "get_document", "list_corpora"]
    assert all(tool.annotations.read_only_hint for tool in listed.tools)


def test_it_answers_with_sources_and_follows_up(programs: Installation, ben: str) -> None:
    async def use(client: Client) -> tuple[CallToolResult, CallToolResult]:
        first = await client.call_tool("ask", {"question": QUESTION})
        number = (first.structured_content or {})["conversation"]
        return first, await client.call_tool("ask", {"question": "When do they expire?", "conversation": number})

    first, second = over_http(programs, ben, use)
    assert "27 days" in text_of(first)
    assert "[1] Leave policy" in text_of(first)
    cited = (first.structured_content or {})["citations"][0]
    assert cited["quote"] in LEAVE
    assert cited["url"].startswith(programs.url)
    assert "31 March" in text_of(second)


def test_it_searches_and_reads_within_the_rights_of_the_tokens_person(programs: Installation, ben: str, cy: str) -> None:
    async def use(client: Client) -> list[CallToolResult]:
        found = await client.call_tool("search", {"query": "discount approval", "top_k": 3})
        names = await client.call_tool("list_corpora", {})
        return [found, names]

    found, names = over_http(programs, ben, use)
    assert "regional sales director" in text_of(found)
    assert text_of(names) == "Handbook\nSales"
    number = (found.structured_content or {})["passages"][0]["document"]
    whole = over_http(programs, ben, lambda client: client.call_tool("get_document", {"document": number, "limit": 2000}))
    assert "Volume rebates" in text_of(whole)

    found, names = over_http(programs, cy, use)
    assert "director" not in text_of(found)
    assert text_of(names) == "Handbook"
    refused = over_http(programs, cy, lambda client: client.call_tool("get_document", {"document": number}))
    assert refused.is_error
    assert text_of(refused).endswith(f"There is no document {number} that you may read.")


def test_it_asks_each_tool_for_its_scope(programs: Installation) -> None:
    secret = secret_for(programs, "ben", "search")
    refused = over_http(programs, secret, lambda client: client.call_tool("ask", {"question": QUESTION}))
    assert refused.is_error
    assert "It needs “ask”" in text_of(refused)


def test_it_does_not_widen_a_question_that_names_corpora(programs: Installation, ben: str) -> None:
    async def use(client: Client) -> CallToolResult:
        first = await client.call_tool("ask", {"question": QUESTION})
        number = (first.structured_content or {})["conversation"]
        return await client.call_tool(
            "ask", {"question": "When do they expire?", "conversation": number, "corpora": ["Handbook"]}
        )

    refused = over_http(programs, ben, use)
    assert refused.is_error
    assert "the corpora with which it began" in text_of(refused)


def test_it_speaks_over_standard_input_and_output(programs: Installation) -> None:
    environment = {**os.environ, "INTRAMURAL_DATA": str(programs.data), "INTRAMURAL_TOKEN": secret_for(programs, "ben")}
    server = StdioServerParameters(command=sys.executable, args=["manage.py", "serve_mcp"], cwd=str(ROOT), env=environment)

    async def run() -> CallToolResult:
        async with Client(server) as client:
            return await client.call_tool("ask", {"question": QUESTION})

    assert "27 days" in text_of(asyncio.run(run()))
    with closing(sqlite3.connect(f"file:{programs.data}/intramural.sqlite3?mode=ro", uri=True)) as database:
        newest = database.execute("SELECT last_used_at FROM assistant_apitoken ORDER BY id DESC LIMIT 1").fetchone()
    assert newest[0] is not None


def test_it_does_not_start_without_a_token(programs: Installation) -> None:
    said = programs.manage("serve_mcp", expect=1)
    assert said == ""  # the standard output is the protocol's
