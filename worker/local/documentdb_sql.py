"""The SQL side of the gateway: what DocumentDB does not have by itself."""

from __future__ import annotations

# A driver repeats a write whose answer it did not get, under the same transaction number.
# DocumentDB remembers the numbers of single statements, but runs a bulk write twice. This function
# runs it and remembers its answer in one transaction, so that a repetition gets the answer again.
# Two at once: the second one's insert fails, which undoes its writes, and the gateway asks again.
_WRITE_ONCE = """
create function kontrib_gateway.write_once(
    retry_id text, verb text, database text,
    command documentdb_core.bson, documents documentdb_core.bsonsequence
) returns documentdb_core.bson language plpgsql as $$
declare answer documentdb_core.bson;
begin
    select reply into answer from kontrib_gateway.answers where id = retry_id;
    if found then return answer; end if;
    execute format('select p_result from documentdb_api.%I($1, $2, $3, null)', verb)
        into answer using database, command, documents;
    insert into kontrib_gateway.answers (id, reply) values (retry_id, answer);
    return answer;
end $$
"""

TEMPLATE_SQL = (
    "create extension documentdb cascade",
    "create schema kontrib_gateway",
    """create table kontrib_gateway.answers (
        id text primary key, reply documentdb_core.bson not null,
        answered_at timestamptz not null default now())""",
    _WRITE_ONCE,
    # The gateway builds indexes itself, at once: these two jobs would wake up every two seconds.
    """select cron.unschedule(jobid) from cron.job
       where jobname like 'documentdb_index_build_task%'""",
    "checkpoint",
)

# Drivers repeat a write within seconds.
FORGET_OLD_ANSWERS = (
    "delete from kontrib_gateway.answers where answered_at < now() - interval '30 minutes'"
)
