"""Faulty data on its way back: rows in quarantine, corrected files, releases, and disputes over what was published."""
