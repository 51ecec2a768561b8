"""Reads what came from elsewhere: published routes, street views, extracts of OpenStreetMap."""
