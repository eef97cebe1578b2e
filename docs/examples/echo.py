"""echo.py HANDLE PASSWORD [HOST:PORT]: a bot that says back what people write to it, once each, whatever breaks meanwhile."""
import json, os, random, select, socket, sys, time

if len(sys.argv) not in (3, 4): sys.exit(__doc__)
HANDLE, PASSWORD = sys.argv[1:3]
HOST, PORT = (sys.argv[3:] or ["127.0.0.1:7400"])[0].split(":")
FILE, HELLO, SYNC, PING_S = HANDLE + ".json", 1, 2, 20
written = bound = 0  # when something was written last; how long to wait at most before the next attempt
# kept on disk: the token, the cursor, and every send without an answer by its key, which is its id as well
me = {"user": "", "token": "", "epoch": 0, "version": 0, "key": 9, "unanswered": {}}

def save():
    with open(os.open(FILE + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file: json.dump(me, file)
    os.replace(FILE + ".new", FILE)

def write(sock, **frame):
    global written
    sock.sendall(json.dumps(frame).encode() + b"\n")
    written = time.monotonic()

def hello(sock, way): write(sock, id=HELLO, hello={**way, "epoch": me["epoch"], "since": me["version"]})
def sync(sock): write(sock, id=SYNC, sync={"since": me["version"]})
def send(sock, key): write(sock, id=int(key), ack=me["version"], send={"key": key, **me["unanswered"][key]})

def frames(sock, rest=b""):
    heard = time.monotonic()
    while time.monotonic() < heard + 3 * PING_S:
        if time.monotonic() > written + PING_S:
            write(sock, ack=me["version"])  # what was heard is stored
            write(sock)  # {}, the ping, which is answered
        if not select.select([sock], [], [], 1)[0]: continue
        if not (data := sock.recv(65536)): raise ConnectionError("the connection ended")
        heard, (*lines, rest) = time.monotonic(), (rest + data).split(b"\n")
        yield from map(json.loads, lines)
    raise ConnectionError("nothing was heard for a while")

def take(sock, entry, version):
    if version != me["version"] + 1: return
    me["version"] = version
    if "text" not in entry or entry.get("from", me["user"]) == me["user"] or "group" in entry: return
    print(entry["from"], "wrote", entry["text"], flush=True)
    me["key"] += 1
    me["unanswered"][str(me["key"])] = {"user": entry["from"], "text": entry["text"]}
    save()  # cursor and answer in one go, and before it is sent: a crash loses none, and after it the key is the same
    send(sock, str(me["key"]))

def welcomed(sock, welcome):
    global bound
    bound, version = 0, int(welcome.get("version", 0))
    if me["epoch"] != welcome["epoch"]: me["version"] = version  # new here, or the server has lost something: from now on
    elif welcome.get("gap"): me["version"] = max(0, version - welcome["limits"]["window"] * 7 // 8)  # what is still kept
    me.update(user=welcome["user"], epoch=welcome["epoch"], token=welcome.get("token", me["token"]))
    sync(sock)
    for key in me["unanswered"]: send(sock, key)

def synced(sock, entries, version=0):
    if entries.get("gap"): me["version"] = int(entries["version"])
    for entry in entries.get("list", []):
        take(sock, entry, version := int(entry.get("version", version + 1)))
    if entries.get("more"): sync(sock)

def talk(sock):
    account = {"handle": HANDLE, "secret": PASSWORD}
    ways = [{"token": me["token"]}] if me["token"] else [{"register": account}, {"password": account}]
    hello(sock, ways.pop(0))
    for frame in frames(sock):
        id, entry, no = frame.get("id", 0), frame.get("entry"), frame.get("refusal") or frame.get("bye")
        if no and no["code"] // 100 == 43:  # later, the same again
            time.sleep(no.get("retryMs", 0) / 1000)
            if id <= SYNC: raise ConnectionError(no["name"])
            send(sock, str(id))
            continue
        elif no and id == HELLO and ways: hello(sock, ways.pop(0))
        elif no and id <= SYNC: sys.exit(no["name"])
        elif "welcome" in frame: welcomed(sock, frame["welcome"])
        elif "entries" in frame: synced(sock, frame["entries"])
        elif "notice" in frame or entry and not id and int(entry["version"]) > me["version"] + 1: sync(sock)
        elif entry: take(sock, entry, int(entry["version"]))
        me["unanswered"].pop(str(id), None)
        save()

if os.path.exists(FILE): me = json.load(open(FILE))
while True:
    try:
        with socket.create_connection((HOST, int(PORT)), 10) as sock: talk(sock)
    except OSError as error: print("--", error, flush=True)
    except KeyboardInterrupt: sys.exit()
    bound = min(30, bound * 2 or 0.5)
    time.sleep(random.uniform(0, bound))
