"""SQL that the gateway adds to DocumentDB: repeatable bulk writes and their order."""

from __future__ import annotations

TEMPLATE_SQL = (
    "create extension documentdb cascade",
    # A second queue of index builds, as jobs of pg_cron. The gateway builds indexes itself.
    """select cron.unschedule(jobid) from cron.job
       where jobname like 'documentdb_index_build_task%'""",
    "checkpoint",
)

# Runs commands that lock several documents.
#
# A driver repeats a write without an answer, under the same transaction number. The engine knows
# the numbers of single statements, but would run a bulk write twice. So this function stores the
# answer in the transaction of the write, and returns it to a repetition. If both run at once, the
# insert of the second fails, which undoes its writes, and the gateway asks again.
#
# Two bulk writes that lock the same documents in different orders deadlock. PostgreSQL ends one of
# them. The gateway runs it again under an exclusive lock, so no other bulk write runs beside it.
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
