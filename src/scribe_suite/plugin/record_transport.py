"""Carries an attempt's record from a worker to the controller in the report of its test.

The record is one namespaced entry of ``user_properties``, as JSON text: a string survives xdist, JUnit and json-report
alike. It holds no seed and no transcript.
"""

from __future__ import annotations

#: Name of the entry, also in the metadata of pytest-json-report.
PROPERTY = "scribe_suite"
#: An attribute of reports on infrastructure failures that survives xdist.
INFRASTRUCTURE_MARK = "scribe_infrastructure"
