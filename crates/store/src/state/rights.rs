//! What this role may do in PostgreSQL with the schema `postrider`, asked before it is stumbled over: what is missing is named as
//! the statement that grants it.

use super::{State, database::Backend, row};
use crate::StoreError;

/// One table on which some of these rights are lacking, which, and how many more there are; sqlx's list of migrations is only
/// read by a daemon.
macro_rules! lacking {
    ($rights:literal) => {
        concat!(
            "(SELECT string_agg(DISTINCT r.priv, ', ') || ' on ' || min(c.relname)
                || CASE WHEN count(DISTINCT c.oid) > 1 THEN ' and ' || count(DISTINCT c.oid) - 1 || ' more' ELSE '' END
            FROM pg_catalog.pg_class c CROSS JOIN unnest(ARRAY[",
            $rights,
            "]) r (priv)
            WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND NOT has_table_privilege(c.oid, r.priv)
                AND (r.priv = 'SELECT' OR c.relname <> '_sqlx_migrations'))::text"
        )
    };
}

/// Names come back quoted, as they are written into a GRANT. What a daemon does with a table is reading and writing.
const RIGHTS: &str = concat!(
    "SELECT quote_ident(current_user)::text AS role, quote_ident(current_database())::text AS database,
        has_database_privilege(current_database(), 'CREATE')::int::bigint AS create_schema,
        (n.oid IS NOT NULL)::int::bigint AS there,
        coalesce(has_schema_privilege(n.oid, 'USAGE'), false)::int::bigint AS enter,
        coalesce(has_schema_privilege(n.oid, 'CREATE'), false)::int::bigint AS create_table,
        (SELECT quote_ident(pg_get_userbyid(min(c.relowner::bigint)::oid)) FROM pg_catalog.pg_class c
            WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND NOT pg_has_role(c.relowner, 'USAGE'))::text AS owner, ",
    lacking!("'SELECT'"),
    " AS lacking_read, ",
    lacking!("'SELECT', 'INSERT', 'UPDATE', 'DELETE'"),
    " AS lacking
    FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'postrider'"
);

/// What somebody is about to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    /// Look at what is there, if anything is.
    Read,
    /// What a daemon does.
    Write,
    /// Make the schema, or its tables.
    Create,
}

impl State {
    /// Whether this role may do what a daemon does: read and write every table.
    ///
    /// # Errors
    ///
    /// [`StoreError::StateNotAllowed`] with what is missing.
    pub async fn check_rights(&self) -> Result<(), StoreError> {
        let missing = self.missing_right(Need::Write).await?;
        missing.map_or(Ok(()), |missing| Err(StoreError::StateNotAllowed { missing }))
    }

    /// The first thing that is missing, as a sentence. A file's permissions are the system's to refuse.
    pub(super) async fn missing_right(&self, need: Need) -> Result<Option<String>, StoreError> {
        if matches!(self.database.backend, Backend::Sqlite(_)) {
            return Ok(None);
        }
        let mut work = self.database.read("look at what this role may do with the state").await?;
        let statement = work.sql(RIGHTS);
        let Some(row) = work.row(statement).await? else { return Ok(None) };
        let rights = || {
            Ok(Rights {
                role: row::text(&row, "role")?,
                database: row::text(&row, "database")?,
                create_schema: row::flag(&row, "create_schema")?,
                there: row::flag(&row, "there")?,
                enter: row::flag(&row, "enter")?,
                create_table: row::flag(&row, "create_table")?,
                owner: row::optional_text(&row, "owner")?,
                lacking_read: row::optional_text(&row, "lacking_read")?,
                lacking: row::optional_text(&row, "lacking")?,
            })
        };
        Ok(work.decoded(rights())?.missing(need))
    }
}

/// What PostgreSQL says.
#[expect(clippy::struct_excessive_bools, reason = "each is a right that one has or has not")]
struct Rights {
    role: String,
    database: String,
    create_schema: bool,
    there: bool,
    enter: bool,
    create_table: bool,
    /// Whose some of the tables are, if this role may not act for them.
    owner: Option<String>,
    lacking_read: Option<String>,
    lacking: Option<String>,
}

impl Rights {
    fn missing(self, need: Need) -> Option<String> {
        let Self { role, database, .. } = self;
        if !self.there {
            return (need == Need::Create && !self.create_schema).then(|| {
                format!(
                    "there is no schema postrider in the database {database}, and the role {role} may not create it; \
                     CREATE SCHEMA postrider AUTHORIZATION {role}"
                )
            });
        }
        if !self.enter {
            return Some(format!(
                "the role {role} may not use the schema postrider; GRANT USAGE ON SCHEMA postrider TO {role}"
            ));
        }
        let lacking = if need == Need::Write { self.lacking } else { self.lacking_read };
        if let Some(lacking) = lacking {
            return Some(format!(
                "the role {role} lacks {lacking} in the schema postrider; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN \
                 SCHEMA postrider TO {role}"
            ));
        }
        if need != Need::Create {
            return None;
        }
        if let Some(owner) = self.owner {
            return Some(format!(
                "the tables of the schema postrider are {owner}'s, and {role} may not change them; let {owner} run `postrider migrate`"
            ));
        }
        (!self.create_table).then(|| {
            format!(
                "the role {role} may not create tables in the schema postrider; GRANT CREATE ON SCHEMA postrider TO {role}, or \
                 let another role run `postrider migrate`"
            )
        })
    }
}
