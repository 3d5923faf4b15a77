"""The ground floor: video, boxes, masks, tables, the ledger. Imports nothing of the rooms above."""
