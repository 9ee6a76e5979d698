# hash=hmac: the IDs of servers by a key, and that no output contains the key.
#
# KEYS are parameters for a file with one key, TWO for one with two. HTML is a folder for sockets.
# lib/Upstreams.pm has the servers and the sections; A, B and C set the application's cookie "app" at /sets.

use Sticky qw(Keys Resolver Status Upstreams Visits);
use IPC::Open2;

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

key_file('one', $key[0]);
key_file('two', @key[1, 0]);
our $dns = Resolver->new(1990);
our %keyed = map { $_ => key_id($key[0], $_) } qw(A B C);

client_sections();
upstream_sections('location /sets { add_header Set-Cookie "app=value; Path=/"; return 200 "NAME"; }');
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = $block->upstreams =~ s{\bKEYS\b}{hash=hmac key_file=$keys/one}gr =~ s{\bTWO\b}{hash=hmac key_file=$keys/two}gr
        =~ s{\bHTML\b}{$ENV{TEST_NGINX_HTML_DIR}}gr;
    $block->set_value(upstreams => $upstreams);
    $block->set_value(locations => ($block->locations // '') . <<'_EOC_');
location = /status { session_sticky_status; }
location /status/ { session_sticky_status; }
_EOC_
});

sub by_openssl {
    my ($key, $text) = @_;
    my $pid = open2(my $out, my $in, 'openssl', 'dgst', '-sha256', '-hmac', $key);
    print $in $text;
    close $in;
    my ($mac) = readline($out) =~ /([0-9a-f]{64})/;
    waitpid $pid, 0;
    return $mac;
}

# The IDs that servers set for new sessions, as "A=id B=id".
sub ids_of {
    my ($path, $cookie) = @_;
    my %ids;
    for (1 .. 12) {
        my $response = visit($path, $cookie, 1983);
        $ids{body($response)}{bound($response)} = 1;
    }
    return join ' ', map { my $name = $_; map { "$name=$_" } sort keys %{$ids{$name}} } sort keys %ids;
}

sub page { my ($path) = @_; return response(say_to_nginx("GET $path HTTP/1.0\r\nHost: localhost\r\n\r\n", 1983)) }

no_shuffle();
master_on();
run_tests();

__DATA__

=== an ID is the HMAC of the address, as computed by openssl
--- upstreams
upstream u { session_sticky KEYS; server A:; server B:; server C:; }
--- client
equals(substr(by_openssl($key[0], $line{$_}), 0, 32), $keyed{$_}, "openssl and Digest::SHA: $_") for sort keys %keyed;
equals(ids_of('/u/'), CORE::join(' ', map { "$_=$keyed{$_}" } sort keys %keyed), 'the IDs');
for my $name (sort keys %keyed) {
    my @bound = everywhere('/u/', "route=$keyed{$name}");
    equals(bodies(@bound), $name, "the session of $name");
    equals(cookies(@bound), '', 'and keeps its cookie');
}
equals(ids_of('/u/', "route=$_"), ids_of('/u/'), "$_ is unknown") for $id{A}, $line{A}, uc $keyed{A}, substr($keyed{A}, 1), "$keyed{A}0",
    key_id($key[1], 'A'), key_id($key[0], '127.0.0.1');



=== two keys: cookies have the IDs by both, and an ID by either is accepted
--- upstreams
upstream u { session_sticky TWO; server A:; server B:; server C:; }
--- client
my %both = map { $_ => key_ids($_, @key[1, 0]) } qw(A B C);
equals(ids_of('/u/'), CORE::join(' ', map { "$_=$both{$_}" } sort keys %both), 'the IDs');
for my $name (qw(A B C)) {
    my ($old, $new, $other) = map { key_id($_, $name) } @key[0 .. 2];
    equals(bodies(everywhere('/u/', "route=$both{$name}")), $name, "$name by both");
    equals(cookies(everywhere('/u/', "route=$both{$name}")), '', 'and keeps its cookie');
    for my $id ($old, $new, "$old.$other", "$other.$old", "$new.$other", "$other.$new", "$old.$new") {
        my @bound = everywhere('/u/', "route=$id");
        equals(bodies(@bound), $name, "$name by $id");
        equals(cookies(@bound), $both{$name}, 'and gets the new value');
    }
    equals(bodies(everywhere('/u/', "route=$_")), 'A | B | C', "$_ is unknown")
        for $other, "$other.$other", "$old.", ".$old", "$old$new", "$old|$new", "$old.$new.$other", "$old.$new.";
}



=== mode=rewrite and mode=prefix
--- upstreams
upstream rewrite { session_sticky cookie=app mode=rewrite KEYS; server A:; server B:; server C:; }
upstream prefix  { session_sticky cookie=app mode=prefix KEYS; server A:; server B:; server C:; }
upstream both    { session_sticky cookie=app mode=prefix TWO; server A:; server B:; server C:; }
--- client
equals(ids_of('/rewrite/sets'), CORE::join(' ', map { "$_=$keyed{$_}" } sort keys %keyed), 'rewrite');
equals(ids_of('/prefix/sets'), CORE::join(' ', map { "$_=$keyed{$_}~value" } sort keys %keyed), 'prefix');
for my $name (sort keys %keyed) {
    equals(bodies(everywhere('/rewrite/', "app=$keyed{$name}")), $name, "rewrite: the session of $name");
    equals(bodies(everywhere('/prefix/', "app=$keyed{$name}~value")), $name, "prefix: the session of $name");
    my $both = key_ids($name, @key[1, 0]);
    for my $id ($both, map { key_id($_, $name) } @key[0, 1]) {
        equals(bodies(everywhere('/both/', "app=$id~value")), $name, "prefix, two keys: $name by $id");
        equals(cookies(everywhere('/both/sets', "app=$id~value")), "$both~value", 'and gets both when the application sets the cookie');
    }
}



=== id= and route= of a server have no effect
--- upstreams
upstream u { session_sticky KEYS; server A: id=a; server B: id=b; server C: id=c; }
--- client
equals(ids_of('/u/'), CORE::join(' ', map { "$_=$keyed{$_}" } sort keys %keyed), 'the IDs');
--- no_error_log eval
[qr/\[warn\](?!.*"id")/, '[alert]', '[emerg]']
--- may_warn
parameter "id" of the "server" directive has no effect



=== backup servers, servers that drain or are down, and a zone
--- upstreams
upstream backed { zone keyed_backed 64k; session_sticky KEYS; server D: down; server A: backup; server B: backup; }
upstream strict { session_sticky KEYS fallback=off; server A:; server D: down; }
upstream drains { least_conn; session_sticky KEYS; server A:; server B: drain; server C: down; }
--- client
equals(ids_of('/backed/'), "A=$keyed{A} B=$keyed{B}", 'backup servers have IDs');
for my $name (qw(A B)) {
    equals(bodies(everywhere('/backed/', "route=$keyed{$name}")), $name, "the session of backup server $name");
}
equals(status(visit('/strict/', 'route=' . key_id($key[0], 'D'), 1983)), '502', 'the ID of a server that is down is known');
equals(status(visit('/strict/', "route=$id{A}", 1983)), '502', 'an unknown ID gets 502');
equals(bodies(everywhere('/drains/', "route=$keyed{B}")), 'B', 'a server that drains keeps its sessions');
equals(bodies(everywhere('/drains/')), 'A', 'and gets no new ones');
--- error_log
with "fallback=off"
--- no_error_log
[alert]
[emerg]



=== names with several addresses, and a UNIX-domain socket
--- upstreams
upstream pair { session_sticky KEYS; server pair.test:1985 max_fails=0; }
upstream unix { session_sticky KEYS; server unix:HTML/keyed.sock; server A:; }
server { listen unix:HTML/keyed.sock; location / { return 200 "U"; } }
--- client
equals(ids_of('/unix/'), "A=$keyed{A} U=" . key_id($key[0], "unix:$ENV{TEST_NGINX_HTML_DIR}/keyed.sock"), 'a UNIX-domain socket');
for my $address ('127.0.0.2:1985', '127.0.0.3:1985') {
    my $first = head('X-Tried', visit('/pair/', 'route=' . key_id($key[0], $address), 1983)) =~ s/,.*//r;
    equals($first, $address, "the session of $address") for 1 .. 4;
}
--- no_error_log
[alert]
[emerg]



=== addresses resolved at run time
--- upstreams
resolver 127.0.0.1:1990 valid=1s ipv6=off;
upstream names { zone keyed_names 64k; session_sticky KEYS; server app.test:1985 resolve max_fails=0; server C:; }
upstream both  { zone keyed_both 64k; session_sticky TWO; server app.test:1985 resolve max_fails=0; server C:; }
--- client
my ($here, $there, $new) = map { "127.0.0.$_:1985" } 2, 3, 4;
sub first_of { my ($path, $id) = @_; return head('X-Tried', visit($path, "route=$id", 1983)) =~ s/,.*//r }
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
for my $address ($here, $there) {
    eventually(sub { first_of('/names/', key_id($key[0], $address)) eq $address }, "$address is selected by its ID");
    eventually(sub { first_of('/both/', key_ids($address, @key[1, 0])) eq $address }, 'by both IDs');
    equals(first_of('/both/', key_id($_, $address)), $address, 'by either ID') for @key[0, 1];
}
$dns->knows('app.test A 127.0.0.3 127.0.0.4');
eventually(sub { first_of('/names/', key_id($key[0], $new)) eq $new }, "$new is added");
equals(first_of('/names/', key_id($key[0], $there)), $there, "$there stays") for 1 .. 4;
holds(first_of('/names/', key_id($key[0], $here)) ne $here, "$here was removed");
$dns->knows();
--- since: 1.27.3
--- no_error_log
[alert]
[emerg]



=== $session_sticky_id, the status page and explain have the ID, and no output has the key
--- upstreams
upstream u { session_sticky TWO maxidle=1h sign; server A:; server B:; server D: down; }
--- locations
location = /variables { proxy_pass http://u; add_header X-Id $session_sticky_id always; }
--- client
my %both = map { $_ => key_ids($_, @key[1, 0]) } qw(A B D);
my $response = visit('/variables', undef, 1983);
equals(head('X-Id', $response), $both{body($response)}, '$session_sticky_id');
my $value = bound($response);
equals($value, signed('route', $value =~ s/\|[^|]*\z//r, @key[1, 0]), 'a signed value');

my $json = page('/status?format=json');
my %shown = map { $_->{address} => $_->{id} } @{parsed($json)->{upstreams}[0]{servers}};
equals($shown{$line{$_}}, $both{$_}, "the status page: $_") for sort keys %both;
my @pages = map { page($_) } '/status', '/status?format=json', '/status?format=prometheus', '/status/upstreams/u',
    "/status/upstreams/u/servers/$both{A}", "/status/upstreams/u/explain?value=$value", '/status/upstreams/u/explain?value=nobody';
holds((grep { status($_) eq '200' } @pages) == 7, 'each page exists');
my $found = parsed($pages[5]);
equals("$found->{verdict} $found->{server}{id}", "valid $both{body($response)}", 'explain');
my @secrets = map { quotemeta } @key, "$keys";
holds((grep { my $page = $_; grep { $page =~ $_ } @secrets } @pages) == 0, 'no key, and no path of a key file');
