"""Hiding faces in recordings before they are encoded, looking for them afterwards, and consent."""
