"""The Model Context Protocol: language models ask the query API through tools."""
