# Requests that end before their response does: the client, or one side of a WebSocket, closes the connection. nginx counts a
# connection and holds a reference during the request, none afterwards, and counts no failure; the same as for an upstream without
# session_sticky.
#
# Upstreams whose name begins with plain_ have no session_sticky. nginx's timeouts are longer than the test's, so that no request
# ends by them.

use Sticky qw(Counters FaultyServers);

worker_connections(1024);

our $servers = FaultyServers->new(1985, 1986);
$servers->full(1992);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $zone = $block->zone ? 'zone ' . ($block->zone =~ s/\s//gr) . ' 1m;' : '';
    my $port = $block->port // 1985;
    my $http = <<"_EOC_";
upstream plain_u   { $zone server 127.0.0.1:$port; server 127.0.0.1:1986; }
upstream sticky_u  { $zone server 127.0.0.1:$port; server 127.0.0.1:1986; session_sticky hash=plain; }
upstream visited_u { $zone server 127.0.0.1:$port; server 127.0.0.1:1986; session_sticky hash=plain; }
upstream backup_u  { $zone server 127.0.0.1:1986; server 127.0.0.1:$port backup; session_sticky hash=plain; }
_EOC_
    $block->set_value(config => 'location = /peers { upstream_peers; }');
    my $read_timeout = $block->read_timeout // '300s';
    fill($block, front($http, "proxy_connect_timeout 300s; proxy_read_timeout $read_timeout; proxy_send_timeout 300s; "
                              . ($block->directives // '')));
});

# The counters of the server with this port.
sub of_port {
    my ($upstream, $port) = @_;
    return (grep { $_->{name} eq "127.0.0.1:$port" } @{counters($upstream)})[0];
}

# Calls SUB with each upstream, an ID for a request, and its cookie.
sub with_each {
    my ($port, $sub) = @_;
    for my $upstream ('plain_u', 'sticky_u', 'visited_u', 'backup_u') {
        my $cookie = $upstream =~ /^(?:sticky|backup)/ ? "route=127.0.0.1:$port" : '';
        $sub->($upstream, our $requests++ . "-$upstream", $cookie);
    }
}

sub is_held {
    my ($upstream, $port) = @_;
    eventually(sub { of_port($upstream, $port)->{conns} == 1 }, "$upstream: a connection is counted");
    equals(of_port($upstream, $port)->{refs} // 1, 1, "$upstream: there is a reference");
}

sub is_as_before {
    my ($upstream, $before) = @_;
    idle($upstream, 'afterwards');
    equals(told(settled($upstream)), $before, "$upstream: no failure is counted");
}

# Marks the servers as checked, which happens when they are first selected, and returns the counters to compare with.
sub before {
    my ($upstream, $cookie) = @_;
    response(ask_for('ok', $upstream, {cookie => $cookie})) for 1 .. 2;
    return told(settled($upstream));
}

# The client closes the connection while the server executes the plan.
sub client_leaves {
    my ($plan) = @_;
    with_each(1985, sub {
        my ($upstream, $id, $cookie) = @_;
        my $before = before($upstream, $cookie);
        my $asked = ask_for($plan, $upstream, {id => $id, cookie => $cookie});
        equals($servers->port_of($id), 1985, "$upstream: the server has the request");
        is_held($upstream, 1985);
        close $asked;
        is_as_before($upstream, $before);
        eventually(sub { $servers->saw("1985 gone $id") }, "$upstream: the server's connection is closed");
    });
}

sub websocket {
    my ($end) = @_;
    with_each(1985, sub {
        my ($upstream, $id, $cookie) = @_;
        my $before = before($upstream, $cookie);
        my $asked = ask_for('upgrade', $upstream, {id => $id, cookie => $cookie, version => '1.1',
                                                   header => "Connection: upgrade\r\nUpgrade: echo\r\n"});
        my $header = read_until($asked, qr/\r\n\r\n/);
        equals(status($header), 101, "$upstream: the protocol is switched");
        is_held($upstream, 1985);
        print $asked 'hello';
        equals(read_until($asked, qr/hello/), 'hello', "$upstream: both sides exchange data");
        $end->($asked);
        is_as_before($upstream, $before);
    });
}

run_tests();

__DATA__

=== the client disconnects before the header, without a zone
--- client
client_leaves('hang');



=== the client disconnects before the header, with a zone
--- zone: before_header
--- client
client_leaves('hang');



=== the client disconnects inside the header
--- zone: in_header
--- client
client_leaves('header-hang');



=== the client disconnects inside the body
--- zone: in_body
--- client
client_leaves('body-hang');



=== the client disconnects inside the unbuffered body
--- directives: proxy_buffering off;
--- client
client_leaves('body-hang');



=== the client disconnects while nginx tries another server
--- zone: second
--- client
with_each(1985, sub {
    my ($upstream, $id, $cookie) = @_;
    my $asked = ask_for('reset hang', $upstream, {id => $id, cookie => $cookie});
    is_held($upstream, 1986);
    equals(of_port($upstream, 1985)->{conns}, 0, "$upstream: none is counted for the first server any longer");
    close $asked;
    idle($upstream, 'afterwards');
    # backup_u has them in reverse order
    equals(join(' ', map { of_port($upstream, $_)->{fails} } 1985, 1986), $upstream eq 'backup_u' && !$cookie ? '0 1' : '1 0',
           "$upstream: a failure is counted only for the server that failed");
});



=== the client disconnects while nginx connects
--- zone: connecting
--- port: 1992
--- client
with_each(1992, sub {
    my ($upstream, $id, $cookie) = @_;
    my $asked = ask_for('ok', $upstream, {id => $id, cookie => $cookie});
    is_held($upstream, 1992);
    close $asked;
    idle($upstream, 'afterwards');
    equals(join(' ', map { $_->{fails} } @{counters($upstream)}), '0 0', "$upstream: no failure is counted");
});



=== the client disconnects while it sends the request
--- zone: sending
--- directives: proxy_request_buffering off; proxy_http_version 1.1;
--- client
with_each(1985, sub {
    my ($upstream, $id, $cookie) = @_;
    my $before = before($upstream, $cookie);
    my $asked = ask_for('ok', $upstream, {id => $id, cookie => $cookie, header => "Content-Length: 100\r\n"});
    print $asked 'not all of it';
    is_held($upstream, 1985);
    close $asked;
    is_as_before($upstream, $before);
});



=== proxy_ignore_client_abort: the request continues without its client, and is counted until its end
--- zone: ignored
--- directives: proxy_ignore_client_abort on;
--- client
with_each(1985, sub {
    my ($upstream, $id, $cookie) = @_;
    my $before = before($upstream, $cookie);
    my $asked = ask_for('wait', $upstream, {id => $id, cookie => $cookie});
    equals($servers->port_of($id), 1985, "$upstream: the server has the request");
    close $asked;
    # Enough time for nginx to detect it, which would end the request without the directive.
    counters($upstream) for 1 .. 5;
    is_held($upstream, 1985);
    $servers->go($id);
    is_as_before($upstream, $before);
    holds(!$servers->saw("1985 gone $id"), "$upstream: nginx has waited for the response");
});



=== WebSocket: the client closes it
--- zone: client_ends
--- directives: proxy_http_version 1.1; proxy_set_header Connection upgrade; proxy_set_header Upgrade echo;
--- client
websocket(sub { close $_[0] });



=== WebSocket: the server closes it
--- zone: server_ends
--- directives: proxy_http_version 1.1; proxy_set_header Connection upgrade; proxy_set_header Upgrade echo;
--- client
websocket(sub { print {$_[0]} 'bye'; equals(response($_[0]), '', 'nginx closes as well') });



=== WebSocket: neither side sends data, and nginx closes it
--- directives: proxy_http_version 1.1; proxy_set_header Connection upgrade; proxy_set_header Upgrade echo;
--- read_timeout: 1s
--- client
websocket(sub { equals(response($_[0]), '', 'nginx closes') });
