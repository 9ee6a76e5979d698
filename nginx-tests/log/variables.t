# The variables $session_sticky_…: what an access log shows about the session of a request.
#
# Each block logs to logs/sessions.log, a line per request: "STATUS VERDICT ACTION ID SERVER FIRST_SEEN", with names for IDs
# and addresses, and - for empty values. The same is sent in X-Session, if "add_header" applies to the response.

use Sticky qw(Upstreams Visits Certificates FaultyServers Multiplex Nginx);

my $format = '$uri: $session_sticky_status/$session_sticky_verdict/$session_sticky_action/$session_sticky_id/'
             . '$session_sticky_server/$session_sticky_first_seen';
(my $header = $format) =~ s/^\S+ //;

our $faulty = FaultyServers->new(1991);
$line{W} = '127.0.0.1:1991';
$line{G} = '127.0.0.1:1993';
$id{$_} = Digest::MD5::md5_hex($line{$_}) for qw(W G);
our %listens = (h2c => 1981, h2 => 1982, has('http_v3_module') ? (h3 => 1982) : ());
our $certificate = certificate();

client_sections();
upstream_sections(<<'_EOC_');
location /sets { add_header Set-Cookie "route=own"; return 200 "NAME"; }
location /to-file { add_header X-Accel-Redirect /file; return 200 "NAME"; }
location /to-other { add_header X-Accel-Redirect /plain/; return 200 "NAME"; }
location /fails { return 503; }
_EOC_
add_block_preprocessor(sub {
    my ($block) = @_;
    my $log = Test::Nginx::Util::server_root() . '/logs/sessions.log';
    my $locations = $block->locations // '';
    $block->set_value(locations => $locations . <<"_EOC_");
add_header X-Session "$header" always;
access_log $log sessions;
log_subrequest on;
location = /file { return 200 "file"; }
location /nothing { return 200 "nothing"; }
_EOC_
    my $upstreams = "log_format sessions '$format';\n" . $block->upstreams;
    if (defined $block->multiplexed) {
        my $listens = listens_http2('127.0.0.1:1981', '127.0.0.1:1982 ssl') . (has('http_v3_module') ? ' listen 127.0.0.1:1982 quic;' : '');
        $upstreams .= <<"_EOC_";
server {
    $listens
    ssl_certificate $certificate.pem;
    ssl_certificate_key $certificate.key;
    add_header X-Session "$header" always;
    access_log $log sessions;
    @{[$block->multiplexed]}
}
server { @{[listens_http2('127.0.0.1:1993')]} location / { default_type application/grpc; return 200 ""; } }
_EOC_
    }
    $block->set_value(upstreams => $upstreams);
});

# Replaces IDs, addresses and times by names.
sub named {
    my ($text) = @_;
    $text =~ s/\Q$line{$_}\E/$_/g, $text =~ s/\Q$id{$_}\E/$_/g for sort keys %id;
    $text =~ s/\b1[0-9]{9}\b/TIME/g;
    return $text =~ s{(?<=/)(?=/|$)}{-}gr =~ s{(?<=: )(?=/)}{-}r =~ s{^(?=/(?:[^ ]*/){4})}{-}r;
}

# The log lines of a request and its subrequests, $number in all, and the response.
sub lines {
    my ($path, $cookie, $number) = @_;
    return lines_of(sub { visit($path, $cookie, 1983) }, $number);
}

# The same for a sub that returns the response.
sub lines_of {
    my ($sub, $number) = @_;
    my $name = Test::Nginx::Util::server_root() . '/logs/sessions.log';
    my $before = -s $name // 0;
    my $response = $sub->();
    my @lines;
    soon(sub {
        open my $file, '<', $name or return 0;
        seek $file, $before, 0;
        @lines = map { named(s/\n//r) } readline $file;
        return @lines >= ($number // 1);
    });
    return \@lines, $response;
}

# Checks a request's line in the log, and in its response.
sub says {
    my ($path, $cookie, $wanted) = @_;
    my ($lines, $response) = lines($path, $cookie);
    my ($logged) = map { s/^\S+: //r } $lines->[-1] // '';
    equals($logged, $wanted, "$path " . named($cookie // '-') . ': the log');
    equals(named(head('X-Session', $response)), $wanted, "$path " . named($cookie // '-') . ': the response');
}

run_tests();

__DATA__

=== new, bound, moved, lent and refused
--- upstreams
upstream u      { session_sticky; server A:; server D: down; }
upstream limits { session_sticky maxidle=1h; server A:; server D: down; }
upstream lends  { session_sticky rebind=off; server A:; server D: down; }
upstream strict { session_sticky fallback=off; server A:; server D: down; }
upstream plain  { server A:; }
--- client
says('/u/', undef, 'new/none/inserted/A/A/-');
says('/u/', "route=$id{A}", 'bound/valid/none/A/A/-');
says('/u/', "route=$id{D}", 'moved/down/inserted/A/A/-');
says('/u/', 'route=nobody', 'new/unknown/inserted/A/A/-');
says('/u/', 'route=|', 'new/invalid/inserted/A/A/-');
says('/limits/', undef, 'new/none/inserted/A/A/TIME');
my $now = time;
my $first = $now - 100;
says('/limits/', "route=$id{A}|" . ($now - 9) . "|$first", 'bound/valid/updated/A/A/TIME');
my (undef, $response) = lines('/limits/', "route=$id{A}|" . ($now - 9) . "|$first");
holds(head('X-Session', $response) =~ m{/$first$}, 'the session continues');
says('/limits/', "route=$id{A}|1500000000|1500000000", 'new/expired/inserted/A/A/TIME');
(undef, $response) = lines('/limits/', "route=$id{A}|1500000000|1500000000");
holds((head('X-Session', $response) =~ m{/(\d+)$})[0] >= $now, 'after expiry a new session begins');
says('/lends/', "route=$id{D}", 'lent/down/none/A/A/-');
says('/strict/', "route=$id{D}", 'refused/down/none/-/-/-');
says('/strict/', 'route=nobody', 'refused/unknown/none/-/-/-');
says('/plain/', "route=$id{A}", '-/-/-/-/-/-');
says('/nothing', "route=$id{A}", '-/-/-/-/-/-');



=== old sessions, the other modes, and no cookie
--- upstreams
upstream life    { session_sticky maxlife=10; server A:; }
upstream rewrite { session_sticky mode=rewrite; server A:; server D: down; }
upstream prefix  { session_sticky mode=prefix; server A:; server D: down; }
upstream route   { session_sticky mode=route lookup=$cookie_to; server A: id=a; server D: id=d down; }
upstream learn   { session_sticky mode=learn lookup=$cookie_to create=$cookie_to zone=learned:64k; server A:; }
upstream ng      { sticky hide_cookie; server A:; server D: down; }
--- client
says('/life/', "route=$id{A}|1500000000|1500000000", 'new/old/inserted/A/A/TIME');
says('/rewrite/sets', undef, 'new/none/rewritten/A/A/-');
says('/rewrite/', undef, 'new/none/none/A/A/-');
says('/rewrite/', "route=$id{A}", 'bound/valid/none/A/A/-');
says('/rewrite/', "route=$id{D}", 'lent/down/none/A/A/-');
says('/prefix/sets', "route=$id{A}~v", 'bound/valid/prefixed/A/A/-');
says('/route/', 'to=a', 'bound/valid/none/a/A/-');
says('/route/', 'to=d', 'lent/down/none/a/A/-');
says('/route/', 'to=x', 'lent/unknown/none/a/A/-');
says('/route/', undef, 'new/none/none/a/A/-');
says('/learn/', 'to=x', 'new/none/none/A/A/-');
says('/learn/', 'to=x', 'bound/valid/none/A/A/-');
says('/ng/', "route=$id{D}", 'lent/down/none/A/A/-');
--- no_error_log
[error]



=== a server that failed is not logged as the one that served
--- upstreams
upstream u     { session_sticky; server A:; server D: max_fails=0; }
upstream lends { session_sticky rebind=off maxidle=1h; server A:; server D: max_fails=0; }
upstream route { session_sticky mode=route lookup=$cookie_to; server D: id=d max_fails=0; server E: id=e max_fails=0; server A: id=a; }
upstream none  { session_sticky; server D: max_fails=0; server E: max_fails=0; }
--- client
says('/u/', "route=$id{D}", 'moved/down/inserted/A/A/-');
says('/u/', undef, 'new/none/inserted/A/A/-') for 1 .. 4;
my $now = time - 9;
says('/lends/', "route=$id{D}|$now|1600000000", 'lent/down/updated/A/A/TIME');
says('/route/', 'to=d', 'lent/down/none/a/A/-');
says('/route/', 'to=x', 'lent/unknown/none/a/A/-');
says('/none/', "route=$id{D}", 'moved/down/none/-/-/-');
--- no_error_log
[alert]



=== backups of sticky route and sticky learn
--- before: 1.29.5
--- upstreams
upstream up    { sticky route $cookie_to; server A:; server B: route=b backup; }
upstream down  { sticky route $cookie_to; server D: max_fails=0; server B: route=b backup; server C: route=c backup; }
upstream learn { sticky learn lookup=$cookie_to create=$cookie_to zone=backups:64k; server D: max_fails=0; server B: backup; }
--- client
says('/up/', 'to=b', 'lent/valid/none/A/A/-');
says('/down/', 'to=b', 'bound/valid/none/b/B/-') for 1 .. 2;
says('/down/', 'to=c', 'bound/valid/none/c/C/-') for 1 .. 2;
says('/learn/', 'to=x', 'new/none/none/B/B/-');
says('/learn/', 'to=x', 'bound/valid/none/B/B/-');
--- no_error_log
[alert]



=== the last sticky upstream, after internal redirects
--- upstreams
upstream u      { session_sticky; server A:; server B: down; }
upstream dead   { session_sticky cookie=dead; server D: max_fails=0; }
upstream strict { session_sticky fallback=off; server A:; server D: down; }
upstream plain  { server B:; }
--- locations
proxy_intercept_errors on;
location /intercepted/ { proxy_pass http://u/fails; error_page 503 = /file; }
location /to-plain/    { proxy_pass http://u/fails; error_page 503 = /plain/; }
location /to-live/     { proxy_pass http://dead; error_page 502 = /u/; }
location /left/        { proxy_pass http://dead; error_page 502 = /file; }
location /refused/     { proxy_pass http://strict; error_page 502 = /file; }
--- client
says('/u/to-file', undef, 'new/none/inserted/A/A/-');
says('/u/to-other', undef, 'new/none/inserted/A/A/-');
says('/intercepted/', "route=$id{A}", 'bound/valid/none/A/A/-');
says('/to-plain/', "route=$id{B}", 'moved/down/inserted/A/A/-');
says('/to-live/', "route=$id{A}; dead=$id{D}", 'bound/valid/none/A/A/-');
says('/left/', undef, 'new/none/none/-/-/-');
says('/refused/', "route=$id{D}", 'refused/down/none/-/-/-');
--- no_error_log
[alert]



=== subrequests have their own lines
--- upstreams
upstream u { session_sticky; server A:; server B:; }
--- locations
location /page { auth_request /auth; proxy_pass http://u/; }
location = /auth { proxy_pass http://u/; }
location /ssi { add_after_body /nothing; addition_types *; proxy_pass http://u/; }
--- client
my ($lines) = lines('/page', "route=$id{B}", 2);
equals(join(' | ', @$lines), '/auth: bound/valid/none/B/B/- | /page: bound/valid/none/B/B/-', 'both are bound');
($lines) = lines('/ssi', "route=$id{A}", 2);
equals(join(' | ', sort @$lines), '/nothing: -/-/-/-/-/- | /ssi: bound/valid/none/A/A/-', 'each request its own');



=== in map, if and proxy_set_header
--- upstreams
map $session_sticky_status $loggable { new 1; default 0; }
upstream u { session_sticky; server A:; }
--- locations
location /map/ { proxy_pass http://u/; add_header X-Map "$loggable" always; }
location /if/ { if ($session_sticky_status) { return 500; } proxy_set_header X-Early "$session_sticky_status"; proxy_pass http://u/; }
--- client
equals(head('X-Map', visit('/map/', undef, 1983)), '1', 'a first visit');
equals(head('X-Map', visit('/map/', "route=$id{A}", 1983)), '0', 'a return');
equals(status(visit('/if/', "route=$id{A}", 1983)), '200', 'empty before the upstream is chosen');



=== a load-balancing method that is not based on round robin
--- upstreams
upstream own  { own_balancer; server A:; server B:; session_sticky; }
upstream like { own_balancer like_round_robin; server A:; server B:; session_sticky; }
upstream plain { own_balancer; server A:; server B:; }
--- client
for my $path ('/own/', '/like/') {
    says($path, $_, 'off/-/-/-/-/-') for undef, "route=$id{B}";
}
says('/plain/', undef, '-/-/-/-/-/-');
--- no_error_log
[alert]



=== HTTP/2, HTTP/3 and gRPC
--- upstreams
upstream u { session_sticky; server A:; server D: down; }
upstream limits { session_sticky cookie=limits maxidle=1h; server A:; server D: down; }
upstream strict { session_sticky cookie=strict fallback=off; server A:; server D: down; }
upstream g { session_sticky; server 127.0.0.1:1993; server D: down; }
--- multiplexed
location /u { proxy_pass http://u; }
location /limits { proxy_pass http://limits; }
location /strict { proxy_pass http://strict; }
location /g { grpc_pass grpc://g; }
location /nothing { return 200 "nothing"; }
--- client
my @wanted = (
    ['/u', undef, 'new/none/inserted/A/A/-'],
    ['/u', "route=$id{A}", 'bound/valid/none/A/A/-'],
    ['/u', "route=$id{D}", 'moved/down/inserted/A/A/-'],
    ['/u', 'route=nobody', 'new/unknown/inserted/A/A/-'],
    ['/limits', "limits=$id{A}|" . (time - 9) . '|' . (time - 100), 'bound/valid/updated/A/A/TIME'],
    ['/strict', "strict=$id{D}", 'refused/down/none/-/-/-'],
    ['/g', undef, 'new/none/inserted/G/G/-'],
    ['/g', "route=$id{G}", 'bound/valid/none/G/G/-'],
    ['/g', "route=$id{D}", 'moved/down/inserted/G/G/-'],
    ['/nothing', "route=$id{A}", '-/-/-/-/-/-'],
);
for my $protocol (sort keys %listens) {
    my $client = Multiplex->new($protocol, $listens{$protocol});
    my $number = 0;
    for (@wanted) {
        my ($path, $cookie, $wanted) = @$_;
        my ($lines, $answer) = lines_of(sub {
            $client->ask(++$number, $path, defined $cookie ? [$cookie] : []);
            return $client->answer($number);
        });
        my ($told) = map { $_->[1] } grep { lc $_->[0] eq 'x-session' } @{$answer->{fields}};
        my $what = "$protocol: $path " . named($cookie // '-');
        equals(join(' | ', @$lines), "$path: $wanted", "$what: the log");
        equals(named($told // ''), $wanted, "$what: the response");
    }
    $client->leave;
}
--- no_error_log
[alert]



=== WebSocket
--- upstreams
upstream w { session_sticky; server 127.0.0.1:1991; server D: down; }
--- locations
location = /socket {
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    proxy_pass http://w;
}
--- client
my %wanted = ('' => 'new/none/inserted/W/W/-', "Cookie: route=$id{W}\r\n" => 'bound/valid/none/W/W/-',
              "Cookie: route=$id{D}\r\n" => 'moved/down/inserted/W/W/-');
my $number = 0;
for my $cookie (sort keys %wanted) {
    my ($lines, $response) = lines_of(sub {
        my $socket = say_to_nginx("GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                  . 'X-Id: ' . ++$number . "\r\nX-Plan: upgrade\r\n$cookie\r\n", 1983);
        my $header = read_until($socket, qr/\r\n\r\n/);
        print $socket 'bye';
        response($socket);
        return $header;
    });
    equals(status($response), '101', 'a WebSocket connection');
    equals(named(head('X-Session', $response)), $wanted{$cookie}, "the response $wanted{$cookie}");
    equals(join(' | ', @$lines), "/socket: $wanted{$cookie}", "the log $wanted{$cookie}");
}



=== post_action: the line is about the last upstream request
--- upstreams
upstream u { session_sticky; server A:; server B:; }
upstream after { session_sticky cookie=after; server C:; server D: down; }
upstream plain { server A:; }
--- locations
location /main { proxy_pass http://u/; post_action /after; }
location /nobody { return 200 "x"; post_action /after; }
location /once { proxy_pass http://u/; post_action /plain/; }
location = /after { proxy_pass http://after/; }
--- client
equals((lines('/main', "route=$id{B}; after=$id{C}"))[0][0], '/after: bound/valid/none/C/C/-', 'after a bound request');
equals((lines('/main', "route=$id{B}"))[0][0], '/after: new/none/none/C/C/-', 'no cookie can be set any more');
equals((lines('/main', "after=$id{D}"))[0][0], '/after: moved/down/none/C/C/-', 'or replaced');
