"""Counters that are raised where something happens, with the labels that they share."""
