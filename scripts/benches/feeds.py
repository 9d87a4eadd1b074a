"""`scripts/bench feeds`: what pushing, pulling and reading feeds costs."""

from gas import GasTable, Operation

OPERATIONS = (
    Operation("push 1, 3-of-5", 51_500, "RedStone 3-of-5: 61,522"),
    Operation("push 10, 3-of-5", 80_000, "Umbrella 6-of-15: 145,618; RedStone 3-of-5: 206,270"),
    Operation("push 100, 3-of-5", 396_000, "Umbrella 6-of-15: 872,055; RedStone 3-of-5: 3,223,038"),
    Operation("push 10 in 10 slots, 3-of-5", 106_000),
    Operation("push 1, 13-of-19", 100_000, "Umbrella 13-of-15: 117,707; Chronicle Scribe: 126,199"),
    Operation("push 10, 13-of-19", 129_000, "Umbrella 13-of-15: 190,189"),
    Operation("push 100, 13-of-19", 444_000, "Umbrella 13-of-15: 916,761"),
    Operation("pull 1, library", 47_000, "RedStone 3-of-5: 48,309"),
    Operation("pull 10, library", 50_500, "RedStone 3-of-5: 124,570"),
    Operation("pull 100, library", 84_000, "RedStone 3-of-5: 2,448,142"),
    Operation("pull 1, shared verifier", 50_000, "Chainlink Data Streams f=5: 88,320"),
    Operation("read native, cold", 5_400, "API3 by id: 5,326; Chronicle Scribe: 7,349"),
    Operation("read native, warm", 850, "API3 by id: 816; Chronicle Scribe: 839"),
    Operation("read facade, pinned, cold", 8_550, "Chainlink: 18,232; RedStone: 18,795"),
    Operation("read facade, pinned, warm", 1_500, "RedStone: 2,785; Chainlink: 3,222"),
    Operation("read facade, on an alias, cold", 10_700, "Chainlink: 18,232; RedStone: 18,795"),
    Operation("read facade, on an alias, warm", 1_700, "RedStone: 2,785; Chainlink: 3,222"),
    Operation("history on, extra per feed in a batch of 10", 7_700),
    Operation("history on, extra per feed without a neighbour", 12_000),
)

TABLE = GasTable("feeds", "*/FeedGas.t.sol", OPERATIONS)
