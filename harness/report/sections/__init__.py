"""One file per section of the report: `ORDER`, `TITLE`, `collect(data) -> info | None`, `render(info)`."""
