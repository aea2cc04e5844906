"""The SQL side of the gateway: what DocumentDB does not do by itself."""

from __future__ import annotations

TEMPLATE_SQL = (
    "create extension documentdb cascade",
    # The same queue of index builds once more, as jobs of pg_cron.
    """select cron.unschedule(jobid) from cron.job
       where jobname like 'documentdb_index_build_task%'""",
    "checkpoint",
)

# For commands that lock more than one document.
#
# A driver repeats a write whose answer it did not get, under the same transaction number. The
# engine remembers the numbers of single statements, but runs a bulk write twice. Here the answer
# is stored in the transaction of the write, and a repetition gets it again. Two at once: the
# second one's insert fails, which undoes its writes, and the gateway asks again.
#
# Two bulk writes that lock the same documents in another order stop each other. PostgreSQL ends
# one of them, and the gateway runs that one again, alone: it waits for the others, they for it.
_WRITE_MANY = """
create or replace function kontrib_gateway.write_many(
    alone boolean, retry_id text, verb text, database text, collection text,
    command documentdb_core.bson, documents documentdb_core.bsonsequence
) returns documentdb_core.bson language plpgsql as $$
declare
    answer documentdb_core.bson;
    turn constant bigint := hashtextextended(database || '.' || collection, 0);
begin
    if alone then perform pg_advisory_xact_lock(turn);
    else perform pg_advisory_xact_lock_shared(turn);
    end if;
    select reply into answer from kontrib_gateway.answers where id = retry_id;
    if found then return answer; end if;
    execute format('select p_result from documentdb_api.%I($1, $2, $3, null)', verb)
        into answer using database, command, documents;
    if retry_id is not null then
        insert into kontrib_gateway.answers (id, reply) values (retry_id, answer);
    end if;
    return answer;
end $$
"""

# Run by the gateway when it starts. Drivers repeat a write within seconds.
GATEWAY_SQL = (
    "create schema if not exists kontrib_gateway",
    """create table if not exists kontrib_gateway.answers (
        id text primary key, reply documentdb_core.bson not null,
        answered_at timestamptz not null default now())""",
    _WRITE_MANY,
    "delete from kontrib_gateway.answers where answered_at < now() - interval '30 minutes'",
)
