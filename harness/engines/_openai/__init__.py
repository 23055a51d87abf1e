"""Parts of the engine for OpenAI-compatible servers."""
