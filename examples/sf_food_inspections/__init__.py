"""San Francisco's food inspections 2012 to 2015: real open data with real dirt, registered by contract like any department's."""
