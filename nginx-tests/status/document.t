# The JSON document of session_sticky_status: its upstreams and servers, with any names.

use Sticky qw(Certificates Nginx Status);

our %line = map { $_ => "127.0.0.1:$port{$_}" } keys %port;
our $held = serve(1991);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = $block->upstreams =~ s/\bserver ([A-D])\b/server $line{$1}/gr;
    my @names = $upstreams =~ /^upstream (\w+)/mg;
    fill($block, servers('', qw(A B C D)) . $upstreams);
    $block->set_value(config => join "\n", 'location /status { session_sticky_status; }', ($block->config // ''),
                                           map { "location /$_/ { proxy_pass http://$_/; proxy_next_upstream off; }" } @names);
});

# Some members of a server: "member=value ...", in this order.
sub told {
    my ($server, @members) = @_;
    return join ' ', map { "$_=" . (defined $server->{$_} ? $server->{$_} : 'null') } @members;
}

sub state_of { my ($upstream, $address) = @_; return told(server_at($upstream, $address), qw(state configured until)) }

run_tests();

__DATA__

=== upstreams: sticky ones only, in order, with directive and mode
--- upstreams
upstream one     { server A; session_sticky; }
upstream none    { server A; }
upstream two     { server A; session_sticky cookie=app mode=rewrite; }
upstream three   { server A; session_sticky cookie=app mode=prefix; }
upstream four    { server A route=a; session_sticky mode=route lookup=$arg_route; }
upstream five    { server A; session_sticky mode=learn lookup=$arg_id create=$upstream_http_x zone=learned:64k; }
upstream six     { server A; least_conn; session_sticky; keepalive 2; }
upstream seven   { zone seven 128k; server A; session_sticky; ip_hash; }
upstream eight   { server A; random two; session_sticky; }
upstream nine    { server A; hash $arg_a consistent; session_sticky; }
--- client
my $all = document('/status?format=json');
equals((join ', ', map { join ' ', @$_{qw(name directive mode)}, $_->{cookie} // 'null' } @{$all->{upstreams}}),
       'one session_sticky insert route, two session_sticky rewrite app, three session_sticky prefix app, four session_sticky route null, '
       . 'five session_sticky learn null, six session_sticky insert route, seven session_sticky insert route, eight session_sticky insert route, '
       . 'nine session_sticky insert route', 'the upstreams');
equals(scalar @{$_->{servers}}, 1, "$_->{name} has its server before any request") for @{$all->{upstreams}};
equals(told($all, qw(version nginx)), "version=1 nginx=1.$Nginx::version." . ($all->{nginx} =~ /(\d+)$/)[0], 'versions');
holds(abs($all->{now} - time) < 60, 'now');
holds($all->{since} <= $all->{now} && $all->{since} > $all->{now} - 600, 'since');
holds($all->{counters}{bytes} > 0 && $all->{counters}{complete}, 'counters');
holds(!$all->{control}, 'control');



=== no sticky upstream at all
--- upstreams
upstream none { server A; }
--- client
is_json(body(reply_to('/status?format=json')), 'the document');
equals(scalar @{document('/status?format=json')->{upstreams}}, 0, 'no upstreams');
equals(status(reply_to('/status?format=prometheus')), '200', 'metrics');
equals(status(reply_to('/status')), '200', 'the page');



=== servers: in order, backup servers last, with the parameters of their "server" directives
--- upstreams
upstream u { server A weight=3 max_conns=7; server B backup; server C down; server localhost:1985; server D drain; session_sticky; }
upstream p { server A id=first; server B id=second; session_sticky hash=plain cookie=p; }
--- client
my @servers = grep { $_->{address} !~ /:1985$/ || $_->{address} eq $line{A} } @{upstream('u')->{servers}};
equals($servers[0]{address} . ' ' . told($servers[0], qw(id line weight max_connections connections backup)),
       "$line{A} id=ID_A line=$line{A} weight=3 max_connections=7 connections=0 backup=0", 'A');
my ($named) = grep { $_->{line} eq 'localhost:1985' } @{upstream('u')->{servers}};
holds($named->{address} =~ /^(?:127\.0\.0\.1|\[::1\]):1985$/, "by its name: $named->{address}");
equals($servers[-1]{address} . ' ' . told($servers[-1], qw(backup state max_connections)), "$line{B} backup=1 state=up max_connections=null",
       'the backup server is last');
equals(state_of('u', $line{C}), 'state=down configured=down until=null', 'down');
equals(state_of('u', $line{D}), 'state=draining configured=drain until=null', 'draining');
equals((join ' ', map { $_->{id} } @{upstream('p')->{servers}}), 'first second', 'configured IDs');
equals(server_at('u', $line{A})->{leaving}, undef, 'A does not drain');
equals(server_at('u', $line{D})->{leaving}{last_minute}, 0, 'no requests to D in the last minute');
equals(server_at('u', $line{D})->{leaving}{last}, undef, 'D never had a request');
visit('/u/', "route=ID_D") for 1 .. 3;
equals(server_at('u', $line{D})->{leaving}{last_minute}, 3, 'three requests to D');
holds(abs(server_at('u', $line{D})->{leaving}{last} - time) < 60, 'the last one was just now');



=== a failed server is unavailable for fail_timeout, and a server with max_conns connections is full
--- upstreams
upstream fails { server 127.0.0.1:1999 max_fails=1 fail_timeout=30s; server A; session_sticky; }
upstream full  { server 127.0.0.1:1991 max_conns=1; server A; session_sticky cookie=full; }
--- client
equals(state_of('fails', '127.0.0.1:1999'), 'state=up configured=up until=null', 'before');
visit('/fails/') for 1 .. 2;
my $failed = server_at('fails', '127.0.0.1:1999');
equals(told($failed, qw(state configured)), 'state=unavailable configured=up', 'after the failure');
holds(abs($failed->{until} - time - 30) <= 2, "until $failed->{until}");
my $asked = ask('/full/', 'full=' . Digest::MD5::md5_hex('127.0.0.1:1991'));
my $taken = taken($held, 10);
my $full = server_at('full', '127.0.0.1:1991');
equals(told($full, qw(state until connections max_connections)), 'state=full until=null connections=1 max_connections=1', 'with the maximum of connections');
answer($taken, "late\n");
response($asked);
equals(told(server_at('full', '127.0.0.1:1991'), qw(state connections)), 'state=up connections=0', 'afterwards');
--- no_error_log
[alert]
[emerg]



=== counters: requests by their outcome
--- upstreams
upstream u { server A; server B; server C down; session_sticky; }
--- client
visit('/u/') for 1 .. 2;
visit('/u/', 'route=ID_A') for 1 .. 3;
visit('/u/', 'route=ID_C');
visit('/u/', 'route=nobody');
my $u = upstream('u');
equals(told($u->{requests}, qw(new bound moved lent refused off)), 'new=3 bound=3 moved=1 lent=0 refused=0 off=0', 'requests');
equals(told($u->{verdicts}, qw(none valid down unknown)), 'none=2 valid=3 down=1 unknown=1', 'verdicts');
equals(told($u->{actions}, qw(none inserted)), 'none=3 inserted=4', 'actions');
equals(server_at('u', $line{A})->{requests}{bound}, 3, 'requests to A');
equals(server_at('u', $line{C})->{moved_away}, 1, 'moved away from C');
equals(server_at('u', $line{A})->{requests}{moved} + server_at('u', $line{B})->{requests}{moved}, 1, 'moved to another server');



=== an ID shared by several servers selects all of them
--- upstreams
upstream u { server A id=x; server B id=x; server C id=y; session_sticky hash=plain; }
--- client
my $servers = document('/status/upstreams/u/servers/x')->{upstreams}[0]{servers};
equals((join ' ', map { $_->{address} } @$servers), "$line{A} $line{B}", 'both servers');



=== names with special characters
--- upstreams eval
CORE::join "\n", map { "upstream $_->[0] { server $_->[1] $_->[2]; session_sticky hash=plain; }" }
    ['"<script>alert(1)</script>"', '"unix:/tmp/a<b>\"&\'.sock"', 'id=<img/src=x/onerror=alert(1)>'],
    ["\"gr\xc3\xbc\xc3\x9fe\"", "\"unix:/tmp/\xc3\xa9\"", 'id=a/b%2Fc?d#e'],
    ["\"\xff\xfe\"", "\"unix:/tmp/\xe9\xff\"", 'id=x'],
    ['"a b"', '"unix:/tmp/a b"', 'id=y'],
    ['"\\\\u0000{}[],:"', '"unix:/tmp/\\\\"', 'id=z'],
    ['upstreams', 'unix:/tmp/upstreams', 'id=servers'];
--- client
my $text = body(reply_to('/status?format=json'));
is_json($text, 'the document');
my $all = document('/status?format=json');
equals((join '|', map { $_->{name} } @{$all->{upstreams}}),
       "<script>alert(1)</script>|gr\x{fc}\x{df}e|\x{fffd}\x{fffd}|a b|\\u0000{}[],:|upstreams", 'the names');
equals((join '|', map { $_->{servers}[0]{address} } @{$all->{upstreams}}),
       "unix:/tmp/a<b>\"&'.sock|unix:/tmp/\x{e9}|unix:/tmp/\x{fffd}\x{fffd}|unix:/tmp/a b|unix:/tmp/\\|unix:/tmp/upstreams", 'the addresses');
equals($all->{upstreams}[0]{servers}[0]{id}, '<img/src=x/onerror=alert(1)>', 'an ID');
sub encoded { return join '', map { sprintf '%%%02x', ord } split //, $_[0] }
my @raw = (['<script>alert(1)</script>', "unix:/tmp/a<b>\"&'.sock"], ["gr\xc3\xbc\xc3\x9fe", "unix:/tmp/\xc3\xa9"], ["\xff\xfe", "unix:/tmp/\xe9\xff"],
           ['a b', 'unix:/tmp/a b'], ['\\u0000{}[],:', 'unix:/tmp/\\'], ['upstreams', 'unix:/tmp/upstreams']);
for (@raw) {
    my ($name, $address) = map { encoded($_) } @$_;
    my $found = document("/status/upstreams/$name/servers/$address");
    equals(scalar @{$found->{upstreams}[0]{servers} // []}, 1, "found: $_->[0]");
    is_json(body(reply_to("/status/upstreams/$name/explain?value=" . encoded($_->[1]))), "explained: $_->[0]");
}
my $found = document('/status/upstreams/' . encoded("gr\xc3\xbc\xc3\x9fe") . '/servers/' . encoded('a/b%2Fc?d#e'));
equals(scalar @{$found->{upstreams}[0]{servers} // []}, 1, 'an ID with special characters');
equals(status(reply_to('/status?format=prometheus')), '200', 'metrics');
