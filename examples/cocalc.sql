-- CoCalc's people, projects, collaborators and SSH keys as the lines that "keyacct import" reads (keyacct(8)):
--
--     psql -At -f cocalc.sql | keyacct import --mirror -
--
-- It only reads, in one snapshot, so it may run on a standby and as a user with no more than SELECT on accounts and
-- projects. Rows stream, in a fixed order. The last line says that nothing is missing: without it nothing is removed.
--
-- What becomes what:
--   account   deleted or banned: suspended. Handle: the email address in lower case if it can be one and nobody has it
--             in other capitals, else account-ID.
--   project   deleted: archived, because CoCalc can bring it back. uid, home and shell are keyacct's to choose.
--   member    users.ID.group, where it is owner or collaborator and the account exists.
--   key       accounts.ssh_keys opens all of the account's projects, projects.users.ID.ssh_keys the projects where it
--             is found; a key of both kinds opens all.
-- What CoCalc does not have stays as keyacct has it: a key's state and limits, a project's ssh and agent.

\set QUIET 1
\set ON_ERROR_STOP 1
\set FETCH_COUNT 10000
\pset format unaligned
\pset tuples_only on
\timing off
\encoding UTF8

-- CoCalc's timestamps are UTC and have no zone. keyacct takes the years 1970 to 9999.
\set rfc3339 '\'YYYY-MM-DD"T"HH24:MI:SS"Z"\''
\set in_range 'BETWEEN \'1970-01-02\' AND \'9999-12-31\''
-- At most 255 bytes of the column "label", and no half character: one of 63 characters always fits.
\set label_cut 'left(label, greatest(63, 255 - octet_length(left(label, 255)) + length(left(label, 255))))'
-- jsonb_each() fails on what is no object, a JSON null for one.
\set users_each 'jsonb_each(CASE jsonb_typeof(users) WHEN \'object\' THEN users ELSE \'{}\' END)'
\set keys_each 'jsonb_each(CASE jsonb_typeof(ssh_keys) WHEN \'object\' THEN ssh_keys ELSE \'{}\' END)'

BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
-- psql asks by a cursor, and all rows are wanted.
SET LOCAL cursor_tuple_fraction = 1;

-- Lower case is ASCII's alone, since no other letter can be in a handle; and with an @, an address reads neither as an
-- id nor as account-ID.
SELECT jsonb_build_object('type', 'account', 'id', account_id,
        'handle', CASE WHEN is_handle THEN address ELSE 'account-' || account_id END,
        'name', :label_cut,
        'email', CASE WHEN octet_length(email_address) <= 255 THEN email_address END,
        'state', CASE WHEN deleted OR banned THEN 'suspended' ELSE 'active' END) ||
    CASE WHEN created :in_range THEN jsonb_build_object('created', to_char(created, :rfc3339)) ELSE '{}' END
FROM (
    SELECT *, length(address) <= 64 AND address ~ '^[a-z0-9][a-z0-9._+-]*@[a-z0-9._@+-]+$' AND
            row_number() OVER (PARTITION BY address ORDER BY created, account_id) = 1 AS is_handle
    FROM (
        SELECT account_id, email_address, deleted, banned, created,
            concat_ws(' ', first_name, last_name) AS label,
            lower(email_address COLLATE "C") AS address
        FROM accounts
    ) AS addressed
) AS handled
ORDER BY account_id;

-- Who is out is said once more without the handle: a clash of handles lets nobody stay.
SELECT jsonb_build_object('type', 'account', 'id', account_id, 'state', 'suspended')
FROM accounts
WHERE deleted OR banned
ORDER BY account_id;

SELECT jsonb_build_object('type', 'project', 'id', project_id, 'title', :label_cut,
        'state', CASE WHEN deleted THEN 'archived' ELSE 'active' END) ||
    CASE WHEN created :in_range THEN jsonb_build_object('created', to_char(created, :rfc3339)) ELSE '{}' END
FROM (SELECT project_id, deleted, created, title AS label FROM projects) AS labelled
ORDER BY project_id;

SELECT jsonb_build_object('type', 'member', 'project', projects.project_id, 'account', accounts.account_id,
        'role', listed.entry ->> 'group')
FROM projects
JOIN LATERAL :users_each AS listed (id, entry) ON true
JOIN accounts ON accounts.account_id::text = listed.id
WHERE listed.entry ->> 'group' IN ('owner', 'collaborator')
ORDER BY projects.project_id, accounts.account_id;

-- One line for each key of an account. The fingerprint in CoCalc's map was computed by a browser, so what a key is, is
-- read from the key: from the beginning of its base64, past what is alike in all keys of a type, whatever spaces or
-- line breaks were pasted with it. What is no key at all goes through: keyacct says what is wrong with it. A line has
-- to stay below 65,536 bytes, or nothing would be removed: 4,096 characters hold any key, and 900 projects fit beside
-- them. A title that says nothing is left out, and keyacct makes one.
SELECT jsonb_build_object('type', 'key', 'account', account_id, 'key', left(entry ->> 'value', 4096),
        'projects', to_jsonb(reach[1 : 900])) ||
    CASE WHEN label ~ '[[:alnum:]]' THEN jsonb_build_object('title', :label_cut) ELSE '{}' END ||
    CASE WHEN created :in_range THEN jsonb_build_object('created', to_char(created, :rfc3339)) ELSE '{}' END
FROM (
    SELECT *, entry ->> 'title' AS label,
        CASE WHEN jsonb_typeof(entry -> 'creation_date') = 'number' THEN
            CASE WHEN (entry ->> 'creation_date')::numeric BETWEEN 0 AND 253402300799000 THEN
                to_timestamp(trunc((entry ->> 'creation_date')::numeric / 1000)::float) AT TIME ZONE 'UTC'
            END
        END AS created
    FROM (
        SELECT account_id, identity,
            (array_agg(entry ORDER BY project_id NULLS FIRST, fingerprint))[1] AS entry,
            CASE WHEN bool_and(project_id IS NOT NULL) THEN
                array_agg(DISTINCT project_id ORDER BY project_id)
            END AS reach
        FROM (
            SELECT *, COALESCE(
                    substring(regexp_replace(entry ->> 'value', '[^A-Za-z0-9+/]', '', 'g')
                        FROM 'AAAAInNr[A-Za-z0-9+/]{88}|AAAA[A-Za-z0-9+/]{64}'),
                    entry ->> 'value') AS identity
            FROM (
                SELECT accounts.account_id, NULL::uuid AS project_id, pasted.fingerprint, pasted.entry
                FROM accounts
                JOIN LATERAL :keys_each AS pasted (fingerprint, entry) ON true
                UNION ALL
                SELECT accounts.account_id, member.project_id, pasted.fingerprint, pasted.entry
                FROM (
                    SELECT projects.project_id, listed.id, listed.entry -> 'ssh_keys' AS ssh_keys
                    FROM projects
                    JOIN LATERAL :users_each AS listed (id, entry) ON true
                    WHERE listed.entry ->> 'group' IN ('owner', 'collaborator') AND listed.entry ? 'ssh_keys'
                ) AS member
                JOIN LATERAL :keys_each AS pasted (fingerprint, entry) ON true
                JOIN accounts ON accounts.account_id::text = member.id
            ) AS everywhere
            WHERE jsonb_typeof(entry -> 'value') = 'string' AND entry ->> 'value' ~ '\S'
        ) AS told_apart
        GROUP BY account_id, identity
    ) AS registered
) AS dated
ORDER BY account_id, identity;

COMMIT;

\echo '{"type": "end"}'
