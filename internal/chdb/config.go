//go:build (linux || darwin) && !noembed

package chdb

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// Sizes are for a machine that is shared with the application: a server's defaults take all of it. The pool of threads is
// a server's, since the engine hangs for ever when it is used up, and few queries do: a set for IN that is read with FINAL
// takes a thread for each part of the table, whatever max_threads says.
//
// An insert is answered when it is on the disk: ClickHouse's own default leaves it to the kernel, and a power cut within
// half a minute takes rows whose insert was confirmed. What a merge wrote needs no fsync, its sources stay for minutes.
var configTemplate = template.Must(template.New("config.xml").Funcs(template.FuncMap{"xml": escapeXML}).Parse(
	`<!-- Written at each start. Changes are lost. -->
<clickhouse>
    <display_name>{{xml .DisplayName}}</display_name>
{{- if .MaxMemory}}
    <max_server_memory_usage>{{.MaxMemory}}</max_server_memory_usage>
{{- else}}
    <max_server_memory_usage_to_ram_ratio>0.25</max_server_memory_usage_to_ram_ratio>
{{- end}}
    <mark_cache_size>134217728</mark_cache_size>
    <background_pool_size>2</background_pool_size>
    <background_schedule_pool_size>4</background_schedule_pool_size>
    <max_thread_pool_size>10000</max_thread_pool_size>
    <max_thread_pool_free_size>8</max_thread_pool_free_size>
    <users_config>{{xml .Users}}</users_config>
    <remote_url_allow_hosts></remote_url_allow_hosts>
    <user_files_path>{{xml .Nothing}}</user_files_path>
    <user_scripts_path>{{xml .Nothing}}</user_scripts_path>
    <dictionaries_lib_path>{{xml .Nothing}}</dictionaries_lib_path>
    <format_schema_path>{{xml .Nothing}}</format_schema_path>
    <custom_local_disks_base_directory>{{xml .Nothing}}</custom_local_disks_base_directory>
    <merge_tree>
        <fsync_after_insert>1</fsync_after_insert>
        <fsync_part_directory>1</fsync_part_directory>
    </merge_tree>
</clickhouse>
`))

// The engine knows one user and no password: the HTTP front checks both. What is not granted is what reaches outside the
// engine: files, URLs, other servers, programs, and SYSTEM SHUTDOWN or KILL. CREATE DICTIONARY is all of these: a
// dictionary's source may be a command. What needs no grant is in checkStatement, and behind both stands confine.
var usersTemplate = template.Must(template.New("users.xml").Funcs(template.FuncMap{"xml": escapeXML}).Parse(
	`<!-- Written at each start. Changes are lost. -->
<clickhouse>
    <profiles>
        <default>
            <constraints>
                <format_schema><const/></format_schema>
                <format_template_row><const/></format_template_row>
                <format_template_resultset><const/></format_template_resultset>
                <format_avro_schema_registry_url><const/></format_avro_schema_registry_url>
            </constraints>
        </default>
    </profiles>
    <quotas><default/></quotas>
    <users>
        <default>
            <password></password>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants>
{{- range .}}
                <query>{{xml .}}</query>
{{- end}}
            </grants>
        </default>
    </users>
</clickhouse>
`))

// within is what a user may do who has no other grants.
const within = "GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE TEMPORARY TABLE, CREATE FUNCTION, DROP, TRUNCATE, OPTIMIZE, KILL QUERY, dictGet, SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM DROP CACHE, SYSTEM RELOAD, SYSTEM FLUSH, SYSTEM VIEWS ON *.*"

// displayName is what displayName() and X-ClickHouse-Server-Display-Name say.
const displayName = "kslive"

// writeConfig writes the engine's configuration into its folder and returns the path of its main file. Without one of ours the
// engine would read whatever config.xml lies in the working directory or in /etc.
func writeConfig(c childConfig) (string, error) {
	grants := c.Grants
	if len(grants) == 0 {
		grants = []string{within}
	}
	users := filepath.Join(c.DataDir, "users.xml")
	if err := writeTemplate(users, usersTemplate, grants); err != nil {
		return "", fmt.Errorf("writing the engine's users: %w", err)
	}
	path := filepath.Join(c.DataDir, "config.xml")
	err := writeTemplate(path, configTemplate, struct {
		DisplayName, Users, Nothing string
		MaxMemory                   int64
	}{displayName, users, filepath.Join(c.DataDir, "nothing"), c.MaxMemory})
	if err != nil {
		return "", fmt.Errorf("writing the engine's configuration: %w", err)
	}
	return path, nil
}

func writeTemplate(path string, t *template.Template, values any) error {
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o600)
}

func escapeXML(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}
