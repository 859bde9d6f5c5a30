"""How an attempt's record gets from a worker to the controller: in the report of its test.

The record is one namespaced entry of ``user_properties``, as JSON text: a string survives xdist, JUnit and json-report
alike. It holds no seed and no transcript.
"""

from __future__ import annotations

#: Name of the entry, in metadata of pytest-json-report too.
PROPERTY = "scribe_suite"
#: An attribute that reports of infrastructure failures carry over xdist.
INFRASTRUCTURE_MARK = "scribe_infrastructure"
