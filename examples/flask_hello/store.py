"""The items: a dictionary behind a lock, safe under threads.

It lives in one process's memory: it empties on restart, and every worker
process has a store of its own. `app.py` is its only caller.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One stored item; frozen, so it may leave the lock."""

    id: int
    name: str
    quantity: int


class ItemStore:
    """Create, read, replace and delete items; every method is atomic."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._items: dict[int, Item] = {}

    def all(self) -> list[Item]:
        """Every item, oldest first."""
        with self._lock:
            return list(self._items.values())

    def get(self, item_id: int) -> Item | None:
        """The item, or None when there is none by that id."""
        with self._lock:
            return self._items.get(item_id)

    def create(self, name: str, quantity: int) -> Item:
        """Store a new item under the next id; ids are never used again."""
        with self._lock:
            item = Item(next(self._ids), name, quantity)
            self._items[item.id] = item
            return item

    def replace(self, item_id: int, name: str, quantity: int) -> Item | None:
        """Replace an existing item; None when there is none by that id."""
        with self._lock:
            if item_id not in self._items:
                return None
            item = self._items[item_id] = Item(item_id, name, quantity)
            return item

    def delete(self, item_id: int) -> bool:
        """Remove an item; False when there was none by that id."""
        with self._lock:
            return self._items.pop(item_id, None) is not None
