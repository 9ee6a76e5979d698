# refresh=: timestamps younger than this are not renewed, so that most responses of a session set nothing. The lifetime of a
# session is determined by the timestamps in its cookie.
#
# /sets makes a server set the cookie "route" itself.

use Sticky;

our $servers = servers(<<'_EOC_', qw(A B));
location / { return 200 "NAME cookie=[$http_cookie]\n"; }
location /sets { add_header Set-Cookie "route=own-NAME"; return 200 "NAME\n"; }
location /accel { add_header X-Accel-Redirect /elsewhere; return 200; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $sticky = $block->sticky;
    fill($block, $servers . (defined $sticky
        ? "upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky $sticky; }\n" : ''));
    $block->set_value(config => ($block->config // '') . "\nadd_header X-Said \"\$session_sticky_status/\$session_sticky_verdict/\$session_sticky_action/\$session_sticky_first_seen\" always;\n"
        . 'location / { proxy_pass http://u; }');
});

visit_lines(answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== maxidle: younger timestamps are kept, those of this age are renewed
--- sticky: maxidle=1h refresh=300
--- visits
route=ID_B|NOW|NOW -> B, sets nothing, X-Said like "bound/valid/none/NOW"
route=ID_B|NOW-200|NOW-2000 -> B, sets nothing, X-Said like "bound/valid/none/NOW-2000"
route=ID_B|NOW-300|NOW-2000 -> B, sets like "route=ID_B\|STAMP\|NOW-2000; Path=/", X-Said like "bound/valid/updated/NOW-2000"
route=ID_B|NOW-3500|NOW-9000 -> B, sets like "route=ID_B\|STAMP\|NOW-9000; Path=/", X-Said like "bound/valid/updated/NOW-9000"



=== maxidle: after a request that renewed nothing, the session ends earlier by the age of its timestamp
--- sticky: maxidle=1h refresh=5m
--- visits
route=ID_B|NOW-3601|NOW-4000 -> A, sets like "route=ID_A\|STAMP\|STAMP; Path=/", X-Said like "new/expired/inserted/STAMP"
-> B, sets like "route=ID_B\|STAMP\|STAMP; Path=/", X-Said like "new/none/inserted/STAMP"



=== maxlife: the same, and the end of the session is unchanged
--- sticky: maxlife=1h refresh=5m
--- visits
route=ID_B|NOW-200|NOW-3000 -> B, sets nothing, X-Said like "bound/valid/none/NOW-3000"
route=ID_B|NOW-301|NOW-3000 -> B, sets like "route=ID_B\|STAMP\|NOW-3000; Path=/", X-Said like "bound/valid/updated/NOW-3000"
route=ID_B|NOW-200|NOW-3601 -> A, sets like "route=ID_A\|STAMP\|STAMP; Path=/", X-Said like "new/old/inserted/STAMP"



=== maxlife only: refresh may be as long or longer
--- sticky: maxlife=1h refresh=2h
--- visits
route=ID_B|NOW-3500|NOW-3500 -> B, sets nothing
route=ID_B|NOW-3601|NOW-3601 -> A, sets like "route=ID_A\|STAMP\|STAMP; Path=/"



=== maxidle and maxlife
--- sticky: maxidle=1h maxlife=1d refresh=10m
--- visits
route=ID_B|NOW-500|NOW-80000 -> B, sets nothing
route=ID_B|NOW-600|NOW-80000 -> B, sets like "route=ID_B\|STAMP\|NOW-80000; Path=/"
route=ID_B|NOW-3601|NOW-80000 -> A, sets like "route=ID_A\|STAMP\|STAMP; Path=/", X-Said like "new/expired/inserted/STAMP"
route=ID_B|NOW-60|NOW-86401 -> B, sets like "route=ID_B\|STAMP\|STAMP; Path=/", X-Said like "new/old/inserted/STAMP"



=== timestamps in the future are renewed: this proxy's clock is used
--- sticky: maxidle=1h refresh=10m
--- visits
route=ID_B|NOW+100|NOW-50 -> B, sets like "route=ID_B\|STAMP\|NOW-50; Path=/", X-Said like "bound/valid/updated/NOW-50"
route=ID_B|NOW+100|NOW+100 -> B, sets like "route=ID_B\|STAMP\|NOW+100; Path=/"



=== a cookie without timestamps gets them
--- sticky: maxidle=1h refresh=10m
--- visits
route=ID_B -> B, sets like "route=ID_B\|STAMP\|STAMP; Path=/"



=== with maxage, the client's cookie is set for that time from its last renewal
--- sticky: maxage=1h maxidle=1h refresh=10m
--- visits
route=ID_B|NOW-500|NOW-900 -> B, sets nothing
route=ID_B|NOW-600|NOW-900 -> B, sets like "route=ID_B\|STAMP\|NOW-900; Path=/; Max-Age=3600; Expires=DATE+3600"



=== a session that moves gets new timestamps, even if its cookie is fresh
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999 down; session_sticky hash=plain maxidle=1h refresh=10m; }
--- visits
route=127.0.0.1:1999|NOW-60|NOW-900 -> A, sets like "route=127.0.0.1:1985\|STAMP\|STAMP; Path=/", X-Said like "moved/down/inserted/STAMP"



=== rebind=off: a session served by another server keeps fresh timestamps, and older ones are renewed with its own server's ID
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999 down; session_sticky hash=plain maxidle=1h refresh=10m rebind=off; }
--- visits
route=127.0.0.1:1999|NOW-60|NOW-900 -> A, sets nothing, X-Said like "lent/down/none/NOW-900"
route=127.0.0.1:1999|NOW-600|NOW-900 -> A, sets like "route=127.0.0.1:1999\|STAMP\|NOW-900; Path=/", X-Said like "lent/down/updated/NOW-900"



=== accept=: a cookie in another form is upgraded, even if it is fresh
--- sticky: maxidle=1h refresh=10m accept=plain
--- visits
route=127.0.0.1:1986|NOW-60|NOW-900 -> B, sets like "route=ID_B\|STAMP\|NOW-900; Path=/", X-Said like "bound/valid/updated/NOW-900"
route=ID_B|NOW-60|NOW-900 -> B, sets nothing



=== option=indirect: a server's own cookie of that name is replaced by the module's, with the existing timestamps
--- sticky: maxidle=1h refresh=10m option=indirect
--- visits
/sets route=ID_B|NOW-60|NOW-900 -> B, sets like "route=ID_B\|NOW-60\|NOW-900; Path=/"
/sets route=ID_B|NOW-600|NOW-900 -> B, sets like "route=ID_B\|STAMP\|NOW-900; Path=/"
route=ID_B|NOW-60|NOW-900 -> B, sees nothing, sets nothing



=== a session in constant use is renewed at each refresh interval, and continues
--- sticky: maxidle=1m refresh=2
--- client
my $began = time;
my $value = bound(visit('/t'));
my ($id, undef, $first) = split /\|/, $value;
my ($renewed, $others) = (0, 0);
for (1 .. 20) {
    select undef, undef, undef, 0.5;
    my $response = visit('/t', "route=$value");
    my $new = bound($response);
    $others++ if head('X-Said', $response) !~ m{^bound/valid/(none|updated)/$first$};
    next if $new eq '';
    $others++ if $new !~ /^\Q$id\E\|\d+\|$first$/;
    my ($before, $after) = map { (split /\|/)[1] } $value, $new;
    $others++ if $after - $before < 2;
    $renewed++;
    $value = $new;
}
equals($others, 0, 'the session stays, and its timestamps are renewed when they are two seconds old');
my $seconds = time - $began;
holds($renewed >= 2 && $renewed <= $seconds / 2 + 1, "of 20 responses in $seconds seconds, few set the cookie: $renewed");



=== sign: a value is signed again when it is renewed, and not before
--- sticky: maxidle=30 refresh=2 sign key_file=../html/key
--- user_files
>>> key
0123456789abcdef0123456789abcdef
--- may_warn
which is readable by every user
--- client
my $value = bound(visit('/t'));
holds($value =~ /^[0-9a-f]{32}\|\d+\|\d+\|[\w-]{22}$/, "a signed value: $value");
equals(set(visit('/t', "route=$value")), '', 'it is fresh');
my $renewed = soon(sub { bound(visit('/t', "route=$value")) });
my ($old, $new) = map { [split /\|/] } $value, $renewed;
holds($new->[1] >= $old->[1] + 2, 'renewed at this age');
equals($new->[2], $old->[2], 'the session continues');
holds($new->[3] ne $old->[3], 'signed again');
equals(head('X-Said', visit('/t', "route=$renewed")), "bound/valid/none/$old->[2]", 'the new value is valid');



=== refresh=0: timestamps are renewed each second
--- sticky: maxidle=1h refresh=0
--- visits
route=ID_B|NOW-2|NOW-900 -> B, sets like "route=ID_B\|STAMP\|NOW-900; Path=/"
