"""What each of a crowd of processes does to one index; spawned, so that nothing is shared."""

from __future__ import annotations

import random
import sys
import threading

from fleche_like.calls import Call, QueryCall
from fleche_like.index import SqlCallStorage

COMMON = 5


def own(worker, number):
    return Call("own", {"worker": worker, "n": number}, result=number).digested()


def common(number, writer):
    """Return a call that everybody saves, each with a record of its own."""
    metadata = {"writer": writer, f"tag{writer % 3}": number}
    return Call("common", {"n": number}, result=number, metadata=metadata).digested()


def work(url, worker, count):
    """Save, overwrite, evict and read, in an order of one's own."""
    storage = SqlCallStorage(url)
    failures = []

    def thread(name):
        try:
            session(storage, f"{worker}.{name}", count)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=thread, args=(name,)) for name in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    storage.close()
    if failures:
        raise failures[0]


def session(storage, worker, count):
    order = random.Random(worker)
    for number in range(count):
        key = storage.save(own(worker, number))
        numbers = list(range(COMMON))
        order.shuffle(numbers)
        # In one transaction, each in another order: what servers call a deadlock.
        storage.save_many([common(each, number) for each in numbers])
        assert storage.load(key) == own(worker, number)
        found = list(storage.query(QueryCall(name="own", arguments={"worker": worker})))
        assert len(found) == number + 1
        if number % 4 == 0:
            storage.evict(common(order.randrange(COMMON), 0).key)


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
