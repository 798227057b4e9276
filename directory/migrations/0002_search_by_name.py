"""Search by name: names without accents beside the accounts, kept in line by the database, whoever changes a name.

The three extensions come with PostgreSQL and are trusted: the owner of the database may create them.
"""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import CreateExtension, TrigramExtension, UnaccentExtension
from django.db import migrations, models

# `unaccent` is not immutable, since somebody could change its dictionary; nobody does.
# The bodies after RETURN are read once, here: no later search_path makes other functions of them.
CREATE_FUNCTIONS = """
CREATE FUNCTION directory_folded(name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN trim(regexp_replace(lower(unaccent('unaccent', normalize(name, NFKC))), '[^a-z0-9]+', ' ', 'g'));
COMMENT ON FUNCTION directory_folded IS 'Small letters without accents, one space between words';

CREATE FUNCTION directory_slips(words text, typed text, most int) RETURNS int
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    word text;
    fewest int := most + 1;
BEGIN
    FOREACH word IN ARRAY string_to_array(words, ' ') LOOP
        fewest := least(fewest, levenshtein_less_equal(typed, left(word, 100), most));
    END LOOP;
    RETURN fewest;
END
$$;
COMMENT ON FUNCTION directory_slips IS
    'Letters to add, leave out or replace in what was typed to make it the nearest of the words; `most` + 1 when more';
"""
DROP_FUNCTIONS = "DROP FUNCTION directory_slips; DROP FUNCTION directory_folded;"

# Only who has activated can be listed: an import of newcomers does not pay for the index.
CREATE_TRIGGER = """
CREATE FUNCTION directory_note_name() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    given text := directory_folded(NEW.given_name);
    family text := directory_folded(NEW.family_name);
    in_one text := concat_ws(
        ' ',
        CASE WHEN strpos(given, ' ') > 0 THEN replace(given, ' ', '') END,
        CASE WHEN strpos(family, ' ') > 0 THEN replace(family, ' ', '') END
    );
BEGIN
    INSERT INTO directory_searchablename (account_id, words, sort_key)
    VALUES (NEW.id, concat(' ', given, ' ', family, ' ', in_one, ' '), concat(family, '  ', given))
    ON CONFLICT (account_id) DO UPDATE SET words = EXCLUDED.words, sort_key = EXCLUDED.sort_key;
    RETURN NULL;
END
$$;
CREATE TRIGGER directory_note_name AFTER INSERT OR UPDATE OF given_name, family_name, activated_at ON accounts_account
    FOR EACH ROW WHEN (NEW.activated_at IS NOT NULL) EXECUTE FUNCTION directory_note_name();
"""
DROP_TRIGGER = "DROP TRIGGER directory_note_name ON accounts_account; DROP FUNCTION directory_note_name;"

NOTE_EVERYBODY = "UPDATE accounts_account SET given_name = given_name WHERE activated_at IS NOT NULL"


class Migration(migrations.Migration):
    dependencies = [("directory", "0001_initial"), ("accounts", "0002_append_only_journal")]
    operations = [
        TrigramExtension(),
        UnaccentExtension(),
        CreateExtension("fuzzystrmatch"),
        migrations.RunSQL(CREATE_FUNCTIONS, DROP_FUNCTIONS),
        migrations.CreateModel(
            name="SearchableName",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="searchable_name",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="compte",
                    ),
                ),
                ("words", models.TextField(verbose_name="mots du nom")),
                ("sort_key", models.TextField(verbose_name="clé de tri")),
            ],
            options={
                "verbose_name": "nom à chercher",
                "verbose_name_plural": "noms à chercher",
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["words"], name="directory_words_trigrams", opclasses=["gin_trgm_ops"]
                    )
                ],
            },
        ),
        migrations.RunSQL(CREATE_TRIGGER, DROP_TRIGGER),
        migrations.RunSQL(NOTE_EVERYBODY, migrations.RunSQL.noop),
    ]
