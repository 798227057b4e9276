"""Fold names for the search, and keep the folded names of activated people up to date with a trigger."""

from django.db import migrations

# `unaccent` is declared stable because its dictionary could change; this portal never changes it, so the functions are
# declared immutable. PostgreSQL parses the bodies after RETURN once, so a later search_path cannot replace the functions.
CREATE_FUNCTIONS = """
CREATE FUNCTION directory_fold(name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN trim(regexp_replace(lower(unaccent('unaccent', normalize(name, NFKC))), '[^a-z0-9]+', ' ', 'g'));
COMMENT ON FUNCTION directory_fold IS 'Small letters without accents, one space between words';

CREATE FUNCTION directory_edit_distance(words text, typed text, most int) RETURNS int
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
COMMENT ON FUNCTION directory_edit_distance IS
    'Letters to add, leave out or replace in what was typed to make it the nearest of the words; `most` + 1 when more';
"""
DROP_FUNCTIONS = "DROP FUNCTION directory_edit_distance; DROP FUNCTION directory_fold;"

# Only activated accounts can be listed: an import of newcomers does not pay for the index.
CREATE_TRIGGER = """
CREATE FUNCTION directory_index_name() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    given text := directory_fold(NEW.given_name);
    family text := directory_fold(NEW.family_name);
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
CREATE TRIGGER directory_index_name AFTER INSERT OR UPDATE OF given_name, family_name, activated_at ON accounts_account
    FOR EACH ROW WHEN (NEW.activated_at IS NOT NULL) EXECUTE FUNCTION directory_index_name();
"""
DROP_TRIGGER = "DROP TRIGGER directory_index_name ON accounts_account; DROP FUNCTION directory_index_name;"


class Migration(migrations.Migration):
    dependencies = [("directory", "0001_initial")]
    operations = [
        migrations.RunSQL(CREATE_FUNCTIONS, DROP_FUNCTIONS),
        migrations.RunSQL(CREATE_TRIGGER, DROP_TRIGGER),
    ]
