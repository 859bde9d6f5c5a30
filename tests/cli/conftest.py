from tests.report.conftest import toy_registry

__all__ = ["toy_registry"]
