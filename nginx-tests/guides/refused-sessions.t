# docs/guides/refused-sessions.md: its configuration, and each line of its table. Server B is unreachable.

use Sticky qw(Guides Multiplex Nginx);

our $page_name = 'docs/guides/refused-sessions.md';
our ($guide) = map { http_of($_) } nginx_files($page_name);
our $servers = servers(<<'_EOC_', 'A');
location / { return 200 "NAME"; }
location /502 { return 502 "of NAME"; }
location /closes { return 444; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my ($from, $to) = split ' => ', $block->but // '', 2;
    my $text = $guide;
    $text =~ s/^ +error_page .*\n//m if defined $block->at_server;
    $text =~ s/\Q$from\E/$to/ or bail_out("$from is not in the guide") if defined $to;
    for my $line (split /\n/, $block->also // '') {
        my ($old, $new) = split ' => ', $line, 2;
        $text =~ s/\Q$old\E/$new/g or bail_out("$old is not in the guide");
    }
    $block->set_value(http_config => $servers . ($block->more // '') . $text);
});

# The response for a client with these fields: "STATUS, RETRY-AFTER, TYPE, SET-COOKIE", and the start of the page.
sub told {
    my ($cookie, %how) = @_;
    my ($method, $path, $accept) = map { $how{$_->[0]} // $_->[1] } [method => 'GET'], [path => '/'], [accept => 'text/html'];
    my $fields = expand("Host: localhost\r\nCookie: $cookie\r\nAccept: $accept\r\n") . ($method eq 'POST' ? "Content-Length: 3\r\n" : '');
    my $response = response(say_to_nginx("$method $path HTTP/1.0\r\n$fields\r\n" . ($method eq 'POST' ? 'a=b' : ''), 1983));
    return join(', ', status($response), map { head($_, $response) || '-' } qw(Retry-After Content-Type Set-Cookie))
        . ': ' . substr body($response) =~ s/\n\z//r, 0, 32;
}

# The request that discovers that B accepts no connections is not refused.
sub finds_out { return equals(told('route=ID_B') =~ /^(\d+, -)/ ? $1 : '', '502, -', 'the one that finds out') }

our $page = '503, 30, text/html, -: <!doctype html><title>One moment';
our $plain_502 = '502, -, text/html, -: <html>';
sub told_first { return told(@_) =~ s/: <html>.*/: <html>/sr }

run_tests();

__DATA__

=== the commands
--- client
follow_transcript((transcripts($page_name))[0]);



=== requests that are refused, and others
--- client
equals(told_first('route=ID_B'), $plain_502, 'the one that finds out');
equals(told('route=ID_B'), $page, 'the next');
equals(told('route=nobody'), $page, 'a cookie of no server');
equals(told('route=ID_B', accept => 'text/html, application/json;q=0.9'), '503, 30, application/json, -: {"error":"session_unavailable"}', 'JSON');
equals(told('route=ID_B', accept => '*/*'), $page, 'any type');
equals(told('route=ID_B', method => 'HEAD'), '503, 30, text/html, -: ', 'HEAD');
equals(told('route=ID_B', method => 'POST'), $page, 'POST');
equals(told('route=ID_A', path => '/502'), '502, -, text/plain, -: of A', 'the page of the server');
equals(told('route=ID_A'), '200, -, text/plain, -: A', 'another session');



=== over HTTP/2
--- client
finds_out();
my $client = Multiplex->new('h2c', 1981);
for my $method (qw(GET HEAD)) {
    $client->ask($method, '/', ['route=ID_B'], method => $method);
    my $answer = $client->answer($method);
    my %fields = map { @$_ } @{$answer->{fields}};
    equals("$answer->{status}, $fields{'retry-after'}: " . substr($answer->{body}, 0, 15), $method eq 'GET' ? '503, 30: <!doctype html>' : '503, 30: ', $method);
}



=== a first visit, and no reachable server
--- but: server 127.0.0.1:1985; => server 127.0.0.1:1999;
--- client
equals(told_first('a=b'), $plain_502, 'a first visit');



=== fallback=unknown
--- but: fallback=off => fallback=unknown
--- client
finds_out();
equals(told('route=ID_B'), $page, 'refused');



=== the equals sign is required
--- but: error_page 502 = => error_page 502
--- client
finds_out();
equals(told('route=ID_B'), $page =~ s/503/502/r, 'the page with the wrong status');



=== recursive_error_pages, and error_page in the location
--- more: recursive_error_pages on;
--- client
finds_out();
equals(told('route=ID_B'), $page, 'refused');
equals(told_first('route=ID_A', path => '/502'), '502, -, text/plain, -: of A', 'the page of the server');



=== recursive_error_pages, and error_page in the server block
--- more: recursive_error_pages on;
--- but: location / { => error_page 502 = $bad_gateway; location / {
--- at_server
--- client
equals(status(visit('/', 'route=ID_B', 1983)), '500', 'goes around in a circle');
--- error_log
rewrite or internal redirection cycle



=== with the time of the connection in the map, failed connections are refused as well, but no processed requests
--- also
"$session_sticky_status $http_accept" => "$session_sticky_status $upstream_connect_time $http_accept"
~^refused => ~^(?:refused|bound) -
--- client
equals(told('route=ID_B'), $page, 'the one that finds out');
equals(told('route=ID_B', accept => 'application/json') =~ s/,.*//sr, '503', 'refused');
equals(told('route=ID_A', path => '/502'), '502, -, text/plain, -: of A', 'the page of the server');
equals(told_first('route=ID_A', path => '/closes', method => 'POST'), $plain_502, 'a connection that is closed without a response');
