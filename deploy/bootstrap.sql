-- Makes the roles, schemas and default privileges of the five services; repeatable; run by a role that may create roles.
-- Roles are made without a password: let them in by the socket, or set one afterwards (ALTER ROLE … PASSWORD …).

DO $bootstrap$
DECLARE
    service text;
    kind text;
    role_name text;
    unsafe text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('attune.bootstrap'));

    FOREACH service IN ARRAY ARRAY['people', 'goals', 'reviews', 'scoring', 'notify'] LOOP
        FOREACH kind IN ARRAY ARRAY['owner', 'app', 'system'] LOOP
            role_name := service || '_' || kind;
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB', role_name);
            END IF;
            EXECUTE format('ALTER ROLE %I SET search_path = %I', role_name, service);
            EXECUTE format('ALTER ROLE %I SET lock_timeout = %L', role_name, '5s');
            IF kind <> 'owner' THEN
                EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', role_name, '25s');
                EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', role_name, '30s');
                IF EXISTS (SELECT FROM pg_settings WHERE name = 'transaction_timeout') THEN  -- PostgreSQL 17 and later
                    EXECUTE format('ALTER ROLE %I SET transaction_timeout = %L', role_name, '30s');
                END IF;
            END IF;
        END LOOP;

        -- Whoever may create roles but is no superuser must become a member to give a schema away.
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE', service || '_owner');
        END IF;

        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, service || '_owner');
        FOREACH kind IN ARRAY ARRAY['app', 'system'] LOOP
            role_name := service || '_' || kind;
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service, role_name);
            EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I',
                           service || '_owner', service, role_name);
            EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO %I',
                           service || '_owner', service, role_name);
            EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT EXECUTE ON FUNCTIONS TO %I',
                           service || '_owner', service, role_name);
            IF to_regclass(format('%I.alembic_version', service)) IS NOT NULL THEN
                EXECUTE format('REVOKE ALL ON %I.alembic_version FROM %I', service, role_name);
            END IF;
        END LOOP;
    END LOOP;

    SELECT string_agg(rolname, ', ') INTO unsafe FROM pg_roles
    WHERE rolname ~ '^(people|goals|reviews|scoring|notify)_(owner|app|system)$' AND (rolsuper OR rolbypassrls);
    IF unsafe IS NOT NULL THEN
        RAISE EXCEPTION 'these roles would get round row-level security: %', unsafe;
    END IF;
END
$bootstrap$;
