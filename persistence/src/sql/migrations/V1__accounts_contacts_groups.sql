-- What ringdove keeps in SQL: a projection of its journal, for people and programs that ask. ringdove writes it and never reads it
-- back, but for the checkpoint. The same text runs on SQLite and on Postgres.
--
-- Ids are the numbers on the wire. Times are milliseconds since 1970-01-01 UTC. Passwords and tokens are here only as hashes.

CREATE TABLE accounts (
    user_id       BIGINT PRIMARY KEY,
    handle        TEXT NOT NULL,             -- as it was registered; compared without case
    name          TEXT NOT NULL,
    avatar        TEXT NOT NULL DEFAULT '',
    status        TEXT NOT NULL DEFAULT '',
    secret        TEXT NOT NULL,             -- argon2id in PHC form; empty: no password
    disabled      BOOLEAN NOT NULL DEFAULT FALSE,
    registered_ms BIGINT NOT NULL
);
CREATE INDEX accounts_handle ON accounts (lower(handle));

CREATE TABLE devices (
    user_id       BIGINT NOT NULL,
    device        BIGINT NOT NULL,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,             -- OTHER, PHONE, TABLET, DESKTOP, WEB, BOT
    token_sha256  BYTEA NOT NULL,
    signed_in_ms  BIGINT NOT NULL,
    last_seen_ms  BIGINT NOT NULL,           -- 0: never
    online        BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (user_id, device)
);

-- Whom a user has in the list of contacts: one row on either side. What is over has none.
CREATE TABLE contacts (
    user_id       BIGINT NOT NULL,           -- whose list
    contact_id    BIGINT NOT NULL,           -- who stands in it
    state         TEXT NOT NULL,             -- REQUESTED, ACCEPTED; of somebody who is only blocked NONE, DECLINED, WITHDRAWN or REMOVED
    asked_by_them BOOLEAN NOT NULL DEFAULT FALSE,
    blocked       BOOLEAN NOT NULL DEFAULT FALSE,
    greeting      TEXT NOT NULL DEFAULT '',
    remark        TEXT NOT NULL DEFAULT '',
    tags          TEXT NOT NULL DEFAULT '[]',   -- a JSON list of texts
    changed_ms    BIGINT NOT NULL,
    PRIMARY KEY (user_id, contact_id)
);

CREATE TABLE groups (
    group_id      BIGINT PRIMARY KEY,
    name          TEXT,
    announcement  TEXT,
    avatar        TEXT,
    created_ms    BIGINT NOT NULL,
    changed_ms    BIGINT NOT NULL
);

CREATE TABLE memberships (
    group_id       BIGINT NOT NULL,
    user_id        BIGINT NOT NULL,
    role           TEXT NOT NULL,            -- MEMBER, ADMIN, OWNER
    nickname       TEXT NOT NULL,
    muted_until_ms BIGINT NOT NULL,
    joined_ms      BIGINT NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

-- How far the journal has been projected; written in the transaction that writes what it says. One row, or none yet.
CREATE TABLE checkpoint (
    id            BIGINT PRIMARY KEY CHECK (id = 1),
    journal       TEXT NOT NULL,             -- the journal's UUID
    epoch         BIGINT NOT NULL,
    position      BIGINT NOT NULL,           -- of the last record that is in the tables, or was of no concern to them
    chain         BIGINT NOT NULL,           -- that record's checksum, which covers all records before it in its epoch
    written_ms    BIGINT NOT NULL            -- that record's time
);
