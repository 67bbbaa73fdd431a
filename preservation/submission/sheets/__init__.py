"""Sheets as people write them: CSV in any dress, XLSX; read once, given back filled in."""
